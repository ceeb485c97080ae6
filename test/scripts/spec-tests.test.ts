import { expect, test } from "vitest";
import { parseSourceFile } from "../../scripts/source-files.ts";
import { type GuaranteedTest, guaranteedTests, specProblems, withTestLists } from "../../scripts/spec-tests.ts";

const CLAIM_TEST: GuaranteedTest = { path: "test/claim.test.ts", title: "it is told [G4]", guarantees: ["G4"] };
const BOTH_TEST: GuaranteedTest = {
  path: "test/claim.test.ts",
  title: "it is both [G4, G5]",
  guarantees: ["G4", "G5"],
};

const SPEC = `# Spec

### G4 Loss is told

Text.

<!-- tests -->
- test/claim.test.ts: it is told [G4]
- test/claim.test.ts: it is both [G4, G5]
<!-- /tests -->

### G5 A former holder is powerless

<!-- tests -->
- test/claim.test.ts: it is both [G4, G5]
<!-- /tests -->

## Not promised

Text.
`;

test("a title is found however its test is called", () => {
  const found = titles(`
    test("plain [G1]", () => {});
    it.skipIf(isWindows)("conditional [G2]", { timeout: 1 }, async () => {});
    onEveryStore(\`with \${store.name} filled in [G3]\`, function () {});
    test("in two " + "parts [G4, G5]", () => {});
    export const suite = [{ title: "a row of a suite [G6]", run() {} }];
    const mention = { caughtBy: "a mere mention [G7]", make: () => {} };
    expect("no test [G8]");
    test("without guarantee", () => {});
    describe.each(stores)("in %s", () => {
      describe("waiters", () => {
        it("are woken [G12]", () => {});
      });
    });
    test("after it [G1]", () => {});
  `);
  expect(found.problems).toEqual([]);
  expect(found.tests.map(({ title }) => title)).toEqual([
    "plain [G1]",
    "conditional [G2]",
    `with \${store.name} filled in [G3]`,
    "in two parts [G4, G5]",
    "a row of a suite [G6]",
    "in %s > waiters > are woken [G12]",
    "after it [G1]",
  ]);
});

test.each([
  [`test("[G4] in front", () => {});`, "must end like"],
  [`test("without a space [G4,G5]", () => {});`, "must end like"],
  [`test("in two lists [G4] [G5]", () => {});`, "must end like"],
  [`test("small [g4]", () => {});`, "must end like"],
  [`test("twice [G4]", () => {}); test("twice [G4]", () => {});`, "a second test"],
])("a title that cannot be listed is refused: %s", (text, message) => {
  expect(titles(text).problems.join("\n")).toContain(message);
});

test("SPEC and tests that list each other agree", () => {
  expect(specProblems(SPEC, [CLAIM_TEST, BOTH_TEST])).toEqual([]);
});

test("a test that SPEC does not list is a problem, under each guarantee that it names", () => {
  const added = { ...BOTH_TEST, title: "it is new [G4, G5]" };
  expect(specProblems(SPEC, [CLAIM_TEST, BOTH_TEST, added])).toEqual([
    "SPEC does not list: G4 - test/claim.test.ts: it is new [G4, G5]",
    "SPEC does not list: G5 - test/claim.test.ts: it is new [G4, G5]",
  ]);
});

test("a listed test that does not exist is a problem", () => {
  expect(specProblems(SPEC, [BOTH_TEST])).toEqual([
    "SPEC lists what does not exist: G4 - test/claim.test.ts: it is told [G4]",
  ]);
});

test("a guarantee that SPEC does not have, or that has no tests, is a problem", () => {
  const unknown = { ...CLAIM_TEST, title: "it is unknown [G99]", guarantees: ["G99"] };
  const problems = specProblems(`${SPEC}\n### G6 The dead do not block\n`, [CLAIM_TEST, BOTH_TEST, unknown]);
  expect(problems).toContain("test/claim.test.ts: SPEC has no G99: it is unknown [G99]");
  expect(problems).toContain("SPEC: G6 has no <!-- tests --> … <!-- /tests -->");
  expect(specProblems("### G6\n<!-- tests -->\n<!-- /tests -->\n", [])).toEqual(["SPEC: G6 has no test"]);
});

test("writing the lists makes both sides agree and changes nothing else", () => {
  const stale = SPEC.replace("it is told [G4]", "it was told [G4]").replace(/(### G5.*\n)[\s\S]*?(?=## Not)/, "$1\n");
  const written = withTestLists(stale, [CLAIM_TEST, BOTH_TEST]);
  expect(written).toBe(SPEC);
  expect(withTestLists(written, [CLAIM_TEST, BOTH_TEST])).toBe(SPEC);
});

function titles(text: string) {
  return guaranteedTests(parseSourceFile("test/claim.test.ts", text));
}
