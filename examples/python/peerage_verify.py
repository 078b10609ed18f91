"""Verifies Peerage's formats (docs/protocol.md) in Python: the standard library and the package `cryptography`.

    python3 peerage_verify.py test/vectors/protocol.json

checks every golden vector and ends with 1 if a verdict differs. Each verify_* function returns if the thing is valid, and raises
otherwise: a ValueError, or what Python raises of itself for a member that is missing or of another type.
"""
import base64, hashlib, json, re, sys
from datetime import datetime, timezone
from decimal import Decimal
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SKEW, P, L = 30, 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
CONTEXT = ["https://www.w3.org/ns/credentials/v2", {"@vocab": "https://peerage.dev/ns#"}]

def need(condition, why):
    if not condition:
        raise ValueError(why)

# Strict JSON (RFC 8259 over I-JSON) and its one form (RFC 8785)
def parse_json(text):
    def unique(pairs):
        need(len({name for name, _ in pairs}) == len(pairs), "repeated name")
        return dict(pairs)
    def number(literal):
        value = float(literal)
        need(value - value == 0 and Decimal(repr(value)) == Decimal(literal), "a number would arrive as another")
        need(value != int(value) or abs(value) < 2**53, "beyond 2^53")
        need(value != 0 or not literal.startswith("-"), "minus zero")
        return int(value) if value == int(value) else value
    def constant(name):
        raise ValueError(name)
    def walk(value, depth):
        need(depth <= 64, "nested too deep")
        if isinstance(value, str):
            value.encode("utf-8")
        for part in value if isinstance(value, list) else [*value, *value.values()] if isinstance(value, dict) else []:
            walk(part, depth + isinstance(part, (list, dict)))
    try:
        value = json.loads(text, object_pairs_hook=unique, parse_int=number, parse_float=number, parse_constant=constant)
    except (RecursionError, ArithmeticError) as error:
        raise ValueError("nested too deep, or no number") from error
    walk(value, int(isinstance(value, (list, dict))))
    return value

def jcs(value):
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(jcs(name) + ":" + jcs(value[name]) for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(jcs, value)) + "]"
    if isinstance(value, float):  # never a whole one, see parse_json; Python writes 0.00001 as 1e-05
        return f"{Decimal(repr(value)):f}" if abs(value) >= 1e-6 else re.sub(r"e-0*", "e-", repr(value))
    return json.dumps(value, ensure_ascii=False)

def sha256(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).digest()

def digest(text):
    return "sha256:" + sha256(text).hex()

def without(value, name):
    return {key: part for key, part in value.items() if key != name}

# Ed25519 as Peerage accepts it: canonical keys and R of large order, free of torsion, S below the order
def decode_point(data):
    number = int.from_bytes(data, "little")
    y, sign = number % 2**255, number >> 255
    need(y < P, "not canonical")
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need((v * x * x - u) % P == 0, "not on the curve")
    need(x or not sign, "minus zero")
    return (P - x if x % 2 != sign else x), y

def add(a, b):
    k = D * a[0] * b[0] * a[1] * b[1] % P
    return (a[0] * b[1] + a[1] * b[0]) * pow(1 + k, -1, P) % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P) % P

def times(scalar, point):
    result = (0, 1)
    while scalar:
        result = add(result, point) if scalar & 1 else result
        point, scalar = add(point, point), scalar >> 1
    return result

def verify_signature(key, message, signature):
    need(len(signature) == 64 and int.from_bytes(signature[32:], "little") < L, "S out of range")
    need(times(8, decode_point(signature[:32])) != (0, 1), "R of small order")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        raise ValueError("the signature does not hold")

# did:key
ALPHABET, known = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", {}

def base58(text):
    number = 0
    for character in text:
        need(character in ALPHABET, "not base58")
        number = number * 58 + ALPHABET.index(character)
    return bytes(len(text) - len(text.lstrip("1"))) + number.to_bytes((number.bit_length() + 7) // 8, "big")

def parse_did(did):
    need(re.fullmatch(r"did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}", did) is not None, "no did:key of an Ed25519 key")
    if did not in known:
        data = base58(did[9:])
        need(len(data) == 34 and data[:2] == b"\xed\x01", "not an Ed25519 key")
        point = decode_point(data[2:])
        need(times(8, point) != (0, 1) and times(L, point) == (0, 1), "small order or torsion")
        known[did] = data[2:]
    return known[did]

# Compact JWS profile, call proofs
def b64url(text):
    need(re.fullmatch(r"[A-Za-z0-9_-]*", text) is not None, "not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text, "not canonical base64url")
    return data

def b64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "not canonical base64")
    return data

def verify_jws(token, typ):
    parts = token.split(".")
    need(len(parts) == 3 and len(token) <= 16384, "not a compact JWS")
    header, claims = parse_json(b64url(parts[0]).decode()), parse_json(b64url(parts[1]).decode())
    need(set(header) == {"alg", "kid", "typ"} and header["typ"] == typ, "header")
    need(header["alg"] in ("EdDSA", "Ed25519"), "alg")
    did, _, key = header["kid"].partition("#")
    need(did == "did:key:" + key and claims.get("iss") == did, "kid is not a key of iss")
    need(type(claims.get("iat")) is int and type(claims.get("exp", 0)) is int, "not whole seconds")
    verify_signature(parse_did(did), token.rpartition(".")[0].encode(), b64url(parts[2]))
    return claims

def request_digest(method, params=None):
    params = without(params or {}, "_meta")
    if method == "tools/call":
        params.setdefault("arguments", {})
    return digest(jcs({"method": method, "params": params}))

IS_DIGEST, IS_ID = re.compile(r"sha256:[0-9a-f]{64}").fullmatch, re.compile(r"[A-Za-z0-9_-]{22,128}").fullmatch

def verify_call(token, audience, now, message):
    claims = verify_jws(token, "peerage-call+jwt")
    need(set(claims) <= set("iss aud iat exp jti method tool req head".split()), "an unknown claim")
    need(isinstance(claims["aud"], str) and IS_ID(claims["jti"]) and IS_DIGEST(claims.get("req", "")), "claims")
    need(0 < claims["exp"] - claims["iat"] <= 300, "lifetime")
    need(claims["aud"] == audience, "for another server")
    need(claims["iat"] - SKEW <= now <= claims["exp"] + SKEW, "not now")
    tool = message.get("params", {}).get("name") if message["method"] == "tools/call" else None
    need(claims["method"] == message["method"] and claims.get("tool") == tool, "another method or tool")
    need(claims["req"] == request_digest(message["method"], message.get("params")), "other arguments")

# History and receipts
def verify_entry(token):
    claims = verify_jws(token, "peerage-entry+jwt")
    need(set(claims) <= set("iss iat exp jti run prev step result req call tool aud sub".split()), "an unknown claim")
    need(re.fullmatch(r"[A-Za-z0-9_-]{22}", claims["run"]) and type(claims["prev"]) is list, "claims")
    need(all(map(IS_DIGEST, claims["prev"])) and len(claims["prev"]) <= 16, "claims")
    need(all(re.fullmatch(r"[a-z][a-z0-9_.-]{0,63}", claims[name]) for name in ("step", "result")), "claims")
    need("." not in re.sub(r'"(?:[^"\\]|\\.)*"', "", jcs(claims.get("sub", {}))), "a fraction among the facts")
    need(claims.get("exp", claims["iat"] + 1) > claims["iat"], "ends before it begins")
    return claims

def verify_history(entries, head, now):
    seen, tips = {}, set()
    need(0 < len(entries) <= 256 and sum(map(len, entries)) <= 262144 and len(set(entries)) == len(entries), "size")
    for token in entries:
        entry = verify_entry(token)
        root = next(iter(seen.values()), entry)
        need(bool(entry["prev"]) == bool(seen) and set(entry["prev"]) <= set(seen), "an entry without its past")
        need(entry["run"] == root["run"], "another run")
        need(entry["iat"] <= now + SKEW and all(entry["iat"] >= seen[one]["iat"] - SKEW for one in entry["prev"]), "time")
        tips = tips - set(entry["prev"]) | {digest(token)}
        seen[digest(token)] = entry
    need(len(head) == len(tips) and set(head) == tips, "the tips are not the head")

def verify_receipt(receipt, server, call, prev, result):
    entry = verify_entry(receipt)
    need(entry["iss"] == server and entry["step"] == ("approval_request" if entry["result"] == "pending" else "tool_call"), "issuer")
    need((entry.get("call"), entry.get("req"), entry.get("tool")) == (call["jti"], call["req"], call.get("tool")), "call")
    need(set(entry["prev"]) == set(prev), "another history")
    if "res" in entry.get("sub", {}):
        need(result is not None and entry["sub"]["res"] == digest(jcs(without(result, "_meta"))), "another result")

# Vouches: W3C Data Integrity, eddsa-jcs-2022
def verify_vouch(text, now):
    document = parse_json(text)
    need(jcs(document) == text and len(text.encode()) <= 4096, "not in its one form")
    need(set(document) == set("@context type issuer validFrom validUntil credentialSubject proof".split()), "members")
    need(document["@context"] == CONTEXT and document["type"] == ["VerifiableCredential", "Vouch"], "type")
    about, proof = document["credentialSubject"], document["proof"]
    need({"id", "scope", "confidence"} <= set(about) <= {"id", "scope", "confidence", "evidence", "noteDigest"}, "members")
    need(type(about["confidence"]) is int and 1 <= about["confidence"] <= 100, "confidence")
    need(1 <= len(about["scope"]) <= 16 and about["scope"] == sorted(set(about["scope"])), "scope")
    need(all(re.fullmatch(r"[a-z][a-z0-9-]{0,63}", scope) for scope in about["scope"]), "scope")
    evidence = about.get("evidence", [about.get("noteDigest", digest(""))])
    need(evidence == sorted(set(evidence)) and 1 <= len(evidence) <= 16 and all(map(IS_DIGEST, evidence)), "evidence")
    need(IS_DIGEST(about.get("noteDigest", digest(""))), "noteDigest")
    start, end = (datetime.strptime(document[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp() for name in ("validFrom", "validUntil"))
    need(0 < end - start <= 180 * 86400 and start <= now + 300 and now < end, "time")
    issuer = document["issuer"]
    need(about["id"] != issuer and parse_did(about["id"]), "nobody vouches for itself")
    need(set(proof) == set("@context type cryptosuite created verificationMethod proofPurpose proofValue".split()), "proof")
    need((proof["@context"], proof["type"], proof["cryptosuite"], proof["proofPurpose"]) == (CONTEXT, "DataIntegrityProof", "eddsa-jcs-2022", "assertionMethod"), "proof")
    need(proof["verificationMethod"] == issuer + "#" + issuer[8:], "another's key")
    signed = sha256(jcs(without(proof, "proofValue"))) + sha256(jcs(without(document, "proof")))
    need(proof["proofValue"].startswith("z"), "proofValue")
    verify_signature(parse_did(issuer), signed, base58(proof["proofValue"][1:]))
    return digest(jcs(without(document, "proof"))), sha256(b"\0" + text.encode()).hex()

# The log: RFC 6962 proofs, C2SP checkpoints
def node(left, right):
    return sha256(b"\1" + left + right)

def climb(fn, sn, first, path):
    """The roots of the older and of the newer tree; for inclusion only the newer counts."""
    old = new = first
    for step in path:
        need(sn > 0, "too long")
        if fn & 1 or fn == sn:
            old, new = node(step, old), node(step, new)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node(new, step)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "too short")
    return old, new

def verify_inclusion(index, size, root, leaf, path):
    need(index < size and climb(index, size - 1, leaf, path)[1] == root, "not in the tree")

def verify_consistency(size1, size2, root1, root2, path):
    need(0 < size1 <= size2, "shrunk")
    if size1 == size2:
        return need(not path and root1 == root2, "two roots of one size")
    path = path if size1 & (size1 - 1) else [root1, *path]
    fn, sn = size1 - 1, size2 - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    need(path and climb(fn, sn, path[0], path[1:]) == (root1, root2), "not an extension")

def verify_checkpoint(note, origin, log_key, witness_key):
    """Whose signature is known must hold; the log's must be there. The witness signs the time as well (C2SP 0x04)."""
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    named, size, root, *rest = text.split("\n")
    need(named == origin and rest == [""] and re.fullmatch(r"0|[1-9][0-9]*", size) and lines.endswith("\n"), "form")
    need(len(b64(root)) == 32, "root")
    keys, signed = {tuple(key.split("+", 2)[:2]): base64.b64decode(key.split("+", 2)[2]) for key in (log_key, witness_key)}, set()
    for line in lines[:-1].split("\n"):
        dash, signer, signature = line.split(" ")
        data = b64(signature)
        key = keys.get((signer, data[:4].hex()))
        need(dash == "\u2014", "form")
        if key:
            time = int.from_bytes(data[4:12], "big")
            message = text if key[0] == 1 else f"cosignature/v1\ntime {time}\n{text}"
            verify_signature(key[1:], message.encode(), data[4:] if key[0] == 1 else data[12:])
            signed.add(key[0])
    need(1 in signed, "the log did not sign it")
    return int(size), b64(root).hex()

def check(section, one, vectors):
    hexes = lambda *names: [bytes.fromhex(one[name]) for name in names]
    if section == "did": need(parse_did(one["did"]).hex() == one["publicKey"], "key")
    if section == "json": need(jcs(parse_json(one["text"])) == one["canonical"], "form")
    if section == "digest": need(request_digest(**one["message"]) == one["req"], "digest")
    if section == "call": verify_call(one["token"], one["audience"], one["now"], one["message"])
    if section == "history": verify_history(one["entries"], one["head"], one["now"])
    if section == "receipt": verify_receipt(one["receipt"], **one["context"])
    if section == "vouch":
        found = verify_vouch(one["text"], vectors["now"])
        need("statementId" not in one or found == (one["statementId"], one["leafHash"]), "id")
    if section == "checkpoint":
        log = vectors["keys"]["log"]
        need(verify_checkpoint(one["note"], log["origin"], log["vkey"], log["witness"]) == (one["size"], one["root"]), "head")
    path = [bytes.fromhex(step) for step in one.get("proof", [])]
    if section == "inclusion": verify_inclusion(one["index"], one["size"], *hexes("root", "leafHash"), path)
    if section == "consistency": verify_consistency(one["size1"], one["size2"], *hexes("root1", "root2"), path)

def main(file):
    with open(file, encoding="utf-8") as handle:
        vectors = json.load(handle)
    total = agreed = 0
    for section in "did json digest call history receipt vouch checkpoint inclusion consistency".split():
        for one in vectors[section]:
            try:
                check(section, one, vectors)
                verdict = True
            except (ValueError, LookupError, TypeError, AttributeError):
                verdict = False
            total, agreed = total + 1, agreed + (verdict == one["valid"])
            if verdict != one["valid"]:
                print(f"differs: {one['id']} is {'valid' if verdict else 'refused'} here")
    print(f"{agreed} of {total} vectors agree")
    return 0 if agreed == total else 1

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
