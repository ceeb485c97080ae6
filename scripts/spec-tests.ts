import { type Node, Visitor } from "oxc-parser";
import { lineOf, type SourceFile } from "./source-files.ts";

/**
 * docs/SPEC.md and the tests point at each other: a test's title ends with the guarantees that it serves, `[G4, G5]`, and
 * each guarantee lists its tests between two markers, as `- test/path.test.ts: title`, or `… describe > title`.
 */
export interface GuaranteedTest {
  readonly path: string;
  readonly title: string;
  readonly guarantees: readonly string[];
}

export interface FoundTests {
  readonly tests: readonly GuaranteedTest[];
  readonly problems: readonly string[];
}

/**
 * The tests of one file that name guarantees: `test("title [G4]", …, () => …)` however the function is called, and
 * `{ title: "title [G4]", run() … }`, as the rows of a suite that others run have it.
 */
export function guaranteedTests(file: SourceFile): FoundTests {
  const tests = new Map<string, GuaranteedTest>();
  const problems: string[] = [];
  const describes: string[] = [];
  const add = (titleNode: Node) => {
    const ownTitle = textOf(file, titleNode);
    if (ownTitle === null || !/\[G\d/i.test(ownTitle)) return;
    const title = [...describes, ownTitle].join(" > ");
    const where = `${file.path}:${lineOf(file, titleNode.start)}`;
    const guarantees = /\[(G\d+(?:, G\d+)*)\]$/.exec(ownTitle)?.[1]?.split(", ");
    const hasOneList = ownTitle.match(/\[G\d/gi)?.length === 1;
    if (!guarantees || !hasOneList)
      problems.push(`${where}: the title must end like "… [G4]" or "… [G4, G5]": ${title}`);
    else if (tests.has(title)) problems.push(`${where}: a second test of this title: ${title}`);
    else tests.set(title, { path: file.path, title, guarantees });
  };
  new Visitor({
    CallExpression: ({ callee, arguments: [title, ...others] }) => {
      if (!title || !others.some(isFunction)) return;
      if (rootName(callee) === "describe") describes.push(textOf(file, title) ?? "");
      else add(title);
    },
    "CallExpression:exit": ({ callee, arguments: [title, ...others] }) => {
      if (title && others.some(isFunction) && rootName(callee) === "describe") describes.pop();
    },
    ObjectExpression: ({ properties }) => {
      const own = properties.filter((property) => property.type === "Property");
      const title = own.find(({ key }) => key.type === "Identifier" && (key.name === "title" || key.name === "name"));
      if (title && own.some(({ value }) => isFunction(value))) add(title.value);
    },
  }).visit(file.program);
  return { tests: [...tests.values()], problems };
}

/** What one side has and the other lacks, a line each. */
export function specProblems(spec: string, tests: readonly GuaranteedTest[]): readonly string[] {
  const problems: string[] = [];
  const wanted = new Set(tests.flatMap((test) => test.guarantees.map((guarantee) => `${guarantee} ${listItem(test)}`)));
  const listed = new Set<string>();
  const guarantees = new Set<string>();
  for (const { guarantee, items } of sections(spec)) {
    guarantees.add(guarantee);
    if (items === null) problems.push(`SPEC: ${guarantee} has no <!-- tests --> … <!-- /tests -->`);
    else if (items.length === 0) problems.push(`SPEC: ${guarantee} has no test`);
    for (const item of items ?? []) listed.add(`${guarantee} ${item}`);
  }
  for (const { path, title, guarantees: named } of tests) {
    for (const name of named) if (!guarantees.has(name)) problems.push(`${path}: SPEC has no ${name}: ${title}`);
  }
  for (const item of wanted) if (!listed.has(item)) problems.push(`SPEC does not list: ${item}`);
  for (const item of listed) if (!wanted.has(item)) problems.push(`SPEC lists what does not exist: ${item}`);
  return problems;
}

/** The same text with each guarantee's list made anew. Without markers, a guarantee gets them at its end. */
export function withTestLists(spec: string, tests: readonly GuaranteedTest[]): string {
  return sections(spec)
    .map(({ guarantee, text }) => {
      const items = tests.filter((test) => test.guarantees.includes(guarantee)).map(listItem);
      const block = ["<!-- tests -->", ...items, "<!-- /tests -->"].join("\n");
      return {
        text,
        made: TEST_LIST.test(text) ? text.replace(TEST_LIST, () => block) : `${text.trimEnd()}\n\n${block}\n\n`,
      };
    })
    .reduce((whole, { text, made }) => whole.replace(text, () => made), spec)
    .trimEnd()
    .concat("\n");
}

const TEST_LIST = /<!-- tests -->\n([\s\S]*?)<!-- \/tests -->/;

interface Section {
  readonly guarantee: string;
  readonly text: string;
  /** The listed tests, or null without markers. */
  readonly items: readonly string[] | null;
}

/** Each `### G4 …` down to the next heading of its level or higher. */
function sections(spec: string): readonly Section[] {
  return [...spec.matchAll(/^### (G\d+)\b[\s\S]*?(?=^#{1,3} |(?![\s\S]))/gm)].map(([text, guarantee = ""]) => {
    const list = TEST_LIST.exec(text)?.[1];
    return { guarantee, text, items: list?.split("\n").filter((line) => line !== "") ?? null };
  });
}

function listItem({ path, title }: GuaranteedTest): string {
  return `- ${path}: ${title}`;
}

/** A title as it is written: what a template fills in stays `${…}`. */
function textOf(file: SourceFile, node: Node): string | null {
  if (node.type === "Literal") return typeof node.value === "string" ? node.value : null;
  if (node.type === "TemplateLiteral") return file.text.slice(node.start + 1, node.end - 1);
  if (node.type !== "BinaryExpression") return null;
  const [left, right] = [textOf(file, node.left), textOf(file, node.right)];
  return left === null || right === null ? null : left + right;
}

/** `describe` of `describe`, `describe.skipIf(…)` and `describe.each(…)`. */
function rootName(node: Node): string | null {
  if (node.type === "Identifier") return node.name;
  if (node.type === "MemberExpression") return rootName(node.object);
  return node.type === "CallExpression" ? rootName(node.callee) : null;
}

function isFunction(node: Node): boolean {
  return node.type === "ArrowFunctionExpression" || node.type === "FunctionExpression";
}
