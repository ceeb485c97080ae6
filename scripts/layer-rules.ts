import { posix } from "node:path";
import { type Node, Visitor } from "oxc-parser";
import { lineOf, type SourceFile } from "./source-files.ts";

/**
 * Who may import whom, by path below src/. A folder ends with a slash; `$1` is the file's own folder. The first row that
 * matches a file rules it. Dependencies point one way: core ◄ stores ◄ registry ◄ server, cli.
 */
const LAYERS: readonly { readonly files: RegExp; readonly may: readonly string[] }[] = [
  { files: /^core\//, may: ["core/"] },
  { files: /^platform\//, may: ["core/", "platform/"] },
  { files: /^stores\/store\.ts$/, may: ["core/", "platform/"] },
  {
    files: /^(stores\/[^/]+\/)/,
    may: ["core/", "platform/", "stores/store.ts", "stores/machine/", "stores/records/", "$1"],
  },
  // The one place that knows the concrete stores.
  { files: /^registry\/open-registry\.ts$/, may: ["core/", "platform/", "stores/", "registry/"] },
  { files: /^registry\//, may: ["core/", "platform/", "stores/store.ts", "registry/"] },
  { files: /^testing\//, may: ["core/", "stores/store.ts", "stores/memory/", "registry/", "testing/"] },
  { files: /^server\//, may: ["core/", "platform/", "stores/", "registry/", "server/"] },
  { files: /^cli\//, may: ["core/", "platform/", "stores/", "registry/", "server/", "cli/", "index.ts"] },
  { files: /^index\.ts$/, may: ["core/", "platform/", "stores/", "registry/"] },
];

/** Time and chance come from src/platform, so that rules are pure and tests advance time instead of sleeping. */
const PLATFORM_ONLY = new Set(["Date.now", "Math.random", "performance.now", "process.hrtime", "new Date()", "Date()"]);

/** The platform is chosen in one place, behind which each has its own files. */
const PLATFORM_CHOICE = "platform/host.ts";
const CHOICE_ONLY = new Set(["process.platform", "os.platform"]);

/** Linux alone has it: who needs it asks the host. */
const LINUX_FOLDER = "platform/linux/";
const LINUX_ONLY = /^\/proc(?:\/|$)/;

/** What breaks the rules in one file of src/, a line each. */
export function layerProblems(file: SourceFile): readonly string[] {
  const path = file.path.replace(/^src\//, "");
  const layer = LAYERS.find(({ files }) => files.test(path));
  if (!layer) return [`${file.path}:1: belongs to no layer of scripts/layer-rules.ts`];

  const own = layer.files.exec(path)?.[1] ?? "";
  const allowed = layer.may.map((place) => place.replace("$1", own));
  const importProblems = importsOf(file).flatMap(({ specifier, line }) => {
    const problem = importProblem(path, allowed, specifier);
    return problem === null ? [] : [`${file.path}:${line}: ${problem}`];
  });
  const clockProblems = path.startsWith("platform/")
    ? []
    : usesOf(file, PLATFORM_ONLY).map(({ use, line }) => `${file.path}:${line}: ${use} belongs to src/platform/`);
  const choiceProblems =
    path === PLATFORM_CHOICE
      ? []
      : usesOf(file, CHOICE_ONLY).map(
          ({ use, line }) => `${file.path}:${line}: ${use} belongs to src/${PLATFORM_CHOICE}`,
        );
  const linuxProblems = path.startsWith(LINUX_FOLDER)
    ? []
    : procPathsIn(file).map((line) => `${file.path}:${line}: /proc belongs to src/${LINUX_FOLDER}`);
  return [...importProblems, ...clockProblems, ...choiceProblems, ...linuxProblems];
}

function importProblem(path: string, allowed: readonly string[], specifier: string | null): string | null {
  if (specifier === null) return "imports what cannot be known before it runs";
  if (!specifier.startsWith(".")) {
    return path.startsWith("core/") ? `core is pure and imports no package, not even ${specifier}` : null;
  }
  const target = posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts");
  const fine = allowed.some((place) => (place.endsWith("/") ? target.startsWith(place) : target === place));
  return fine ? null : `may not import ${target}`;
}

/** Every module that the file names, for values or for types alone. */
function importsOf(file: SourceFile): readonly { readonly specifier: string | null; readonly line: number }[] {
  const found: { specifier: string | null; line: number }[] = [];
  const add = (source: Node | null) => {
    if (source) found.push({ specifier: stringValue(source), line: lineOf(file, source.start) });
  };
  new Visitor({
    ImportDeclaration: (node) => add(node.source),
    ImportExpression: (node) => add(node.source),
    ExportAllDeclaration: (node) => add(node.source),
    ExportNamedDeclaration: (node) => add(node.source),
    TSImportType: (node) => add(node.source),
  }).visit(file.program);
  return found;
}

function usesOf(
  file: SourceFile,
  refused: ReadonlySet<string>,
): readonly { readonly use: string; readonly line: number }[] {
  const found: { use: string; line: number }[] = [];
  const add = (use: string, node: Node) => {
    if (refused.has(use)) found.push({ use, line: lineOf(file, node.start) });
  };
  new Visitor({
    MemberExpression: (node) => {
      add(`${lastName(node.object)}.${node.computed ? stringValue(node.property) : lastName(node.property)}`, node);
    },
    VariableDeclarator: (node) => {
      if (node.id.type !== "ObjectPattern" || !node.init) return;
      for (const property of node.id.properties) {
        if (property.type !== "Property") continue;
        add(`${lastName(node.init)}.${lastName(property.key)}`, property);
      }
    },
    ImportSpecifier: (node) => {
      if (lastName(node.imported) === "hrtime") add("process.hrtime", node);
      if (lastName(node.imported) === "platform") add("process.platform", node);
    },
    NewExpression: (node) => {
      if (lastName(node.callee) === "Date" && node.arguments.length === 0) add("new Date()", node);
    },
    CallExpression: (node) => {
      if (lastName(node.callee) === "Date") add("Date()", node);
    },
  }).visit(file.program);
  return found;
}

/** @returns lines */
function procPathsIn(file: SourceFile): readonly number[] {
  const found: number[] = [];
  const add = (text: string | null, node: Node): void => {
    if (text !== null && LINUX_ONLY.test(text)) found.push(lineOf(file, node.start));
  };
  new Visitor({
    Literal: (node) => add(stringValue(node), node),
    TemplateLiteral: (node) => add(node.quasis[0]?.value.cooked ?? null, node),
  }).visit(file.program);
  return found;
}

/** `Date` of `Date` and of `globalThis.Date`. */
function lastName(node: Node): string | null {
  if (node.type === "Identifier") return node.name;
  return node.type === "MemberExpression" && !node.computed ? lastName(node.property) : null;
}

function stringValue(node: Node): string | null {
  return node.type === "Literal" && typeof node.value === "string" ? node.value : null;
}
