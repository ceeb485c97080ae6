import { describe, expect, it } from "vitest";
import { displayWidth, fitToWidth, padToWidth } from "../../src/cli/display-width.js";
import { type Column, formatTable } from "../../src/cli/table.js";

describe("the width of a text", () => {
  it.each([
    ["plain", "arm_1", 5],
    ["nothing", "", 0],
    ["accents", "Pïpéttör", 8],
    ["combining accents", "e\u0301e\u0301", 2],
    ["Chinese", "移液", 4],
    ["Korean, made of its parts too", "한\u1112\u1161\u11ab", 4],
    ["half-width forms", "ｱﾊ", 2],
    ["full-width forms", "Ａ１", 4],
    ["emoji", "😀", 2],
    ["emoji of many characters", "👩‍🔬🇨🇭👍🏽⚙️", 8],
    ["the signs of tables", "│…─", 3],
  ])("of %s is what a terminal takes for it", (_, text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  it.each([
    ["arm_1", 5, "arm_1"],
    ["arm_1", 4, "arm…"],
    ["arm_1", 1, "…"],
    ["arm_1", 0, ""],
    ["移液机器人", 10, "移液机器人"],
    ["移液机器人", 9, "移液机器…"],
    ["移液机器人", 8, "移液机…"],
    ["e\u0301e\u0301e\u0301", 2, "e\u0301…"],
    ["a👩‍🔬b", 3, "a…"],
  ])("%s in %i cells is %s", (text, width, fitted) => {
    expect(fitToWidth(text, width)).toBe(fitted);
    expect(displayWidth(padToWidth(fitted, width))).toBe(width);
  });
});

describe("a table", () => {
  const COLUMNS: readonly Column[] = [
    { title: "Name", widthMin: 6 },
    { title: "ID" },
    { title: "Type", widthMin: 4, optional: true },
    { title: "Holder", widthMin: 5, optional: true },
  ];
  const ID = "01JQ000000000000000000000A";
  const ROWS = [
    ["移液机器人_1", ID, "workcell", "lab (PID 1)"],
    ["arm", ID, "node", ""],
  ];
  const lines = (width: number): readonly string[] => formatTable(COLUMNS, ROWS, width).split("\n");

  it("is as wide as what is in it, where it may be", () => {
    for (const width of [Number.POSITIVE_INFINITY, 200, 72]) {
      expect(lines(width)).toEqual([
        "┌──────────────┬────────────────────────────┬──────────┬─────────────┐",
        "│ Name         │ ID                         │ Type     │ Holder      │",
        "├──────────────┼────────────────────────────┼──────────┼─────────────┤",
        "│ 移液机器人_1 │ 01JQ000000000000000000000A │ workcell │ lab (PID 1) │",
        "│ arm          │ 01JQ000000000000000000000A │ node     │             │",
        "└──────────────┴────────────────────────────┴──────────┴─────────────┘",
      ]);
    }
  });

  it("shortens the longest cells first, and never the IDs before the rest", () => {
    expect(lines(60)).toEqual([
      "┌─────────┬────────────────────────────┬─────────┬─────────┐",
      "│ Name    │ ID                         │ Type    │ Holder  │",
      "├─────────┼────────────────────────────┼─────────┼─────────┤",
      "│ 移液机… │ 01JQ000000000000000000000A │ workce… │ lab (P… │",
      "│ arm     │ 01JQ000000000000000000000A │ node    │         │",
      "└─────────┴────────────────────────────┴─────────┴─────────┘",
    ]);
  });

  it("leaves columns out where all would be too short, and says which", () => {
    expect(lines(40)).toEqual([
      "┌─────────┬────────────────────────────┐",
      "│ Name    │ ID                         │",
      "├─────────┼────────────────────────────┤",
      "│ 移液机… │ 01JQ000000000000000000000A │",
      "│ arm     │ 01JQ000000000000000000000A │",
      "└─────────┴────────────────────────────┘",
      "Hidden: Type, Holder",
    ]);
  });

  it.each([39, 35, 34, 30, 20, 10])("is not wider than %i cells, and shortens IDs at last", (width) => {
    for (const line of lines(width)) expect(displayWidth(line)).toBeLessThanOrEqual(width);
    expect(lines(width).join("").includes(ID)).toBe(width >= 34);
  });

  it("colours what it has laid out", () => {
    const cell = { text: "held", paint: (text: string) => `<${text}>` };
    expect(formatTable([{ title: "Status" }], [[cell]], 80)).toContain("│ <held  > │");
  });
});
