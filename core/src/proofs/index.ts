export {
  DOMAIN_PROOF_PATH,
  forgeHosts,
  isSamePlace,
  parsePlace,
  type Place,
  placeOf,
  REPOSITORY_PROOF_FILE,
} from "./place.ts";
export {
  formatPlaceFile,
  MAX_PLACE_FILE_BYTES,
  MAX_PLACE_PROOFS,
  parsePlaceFile,
  type PlaceProof,
  signPlaceProof,
  verifyPlaceProof,
  withPlaceProof,
} from "./place-proof.ts";
