import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));
export const packages = ["core", "registry", "observatory", "cli", "mcp-middleware"] as const;

/** One name that a package exports, or a member of it: where it is declared, and whether a docstring stands there. */
export interface PublicName {
  readonly name: string;
  readonly file: string;
  readonly isDocumented: boolean;
  /** For members: true if it holds a number, or a list of them, so that a reader has to be told of what. */
  readonly isNumber?: boolean;
}

/** Everything that the five packages export, and the members of their interfaces and classes. */
export function publicNames(): { readonly exported: readonly PublicName[]; readonly members: readonly PublicName[] } {
  const entries = packages.map((folder) => {
    const { exports } = JSON.parse(readFileSync(`${root}${folder}/package.json`, "utf8")) as {
      exports: { ".": string };
    };
    return `${root}${folder}/${exports["."].slice(2)}`;
  });
  const program = ts.createProgram(entries, {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ESNext,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
    strict: true,
  });
  const checker = program.getTypeChecker();
  const exported: PublicName[] = [];
  const members: PublicName[] = [];
  const seen = new Set<ts.Symbol>();
  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
    for (const found of checker.getExportsOfModule(module)) {
      const symbol = found.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(found) : found;
      const file = symbol.declarations?.[0]?.getSourceFile().fileName.slice(root.length);
      if (file === undefined || file.includes("node_modules") || seen.has(symbol)) continue;
      seen.add(symbol);
      const isDocumented = symbol.getDocumentationComment(checker).length > 0;
      exported.push({ name: symbol.name, file, isDocumented });
      for (const declaration of symbol.declarations ?? []) {
        if (!ts.isInterfaceDeclaration(declaration)) continue;
        for (const member of declaration.members) members.push(memberOf(checker, symbol.name, file, member));
      }
    }
  }
  return { exported, members };
}

function memberOf(checker: ts.TypeChecker, owner: string, file: string, member: ts.TypeElement): PublicName {
  const type = checker.getNonNullableType(checker.getTypeAtLocation(member));
  return {
    name: `${owner}.${member.name?.getText() ?? "call"}`,
    file,
    isDocumented: ts.getJSDocCommentsAndTags(member).length > 0,
    isNumber: (type.flags & ts.TypeFlags.NumberLike) !== 0,
  };
}
