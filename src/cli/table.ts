import { displayWidth, fitToWidth, padToWidth } from "./display-width.js";

export interface Column {
  readonly title: string;
  /** How short it may get on a narrow terminal, in cells. Not given: it is kept whole as long as possible. */
  readonly widthMin?: number;
  /** Left out where the table would not fit otherwise; the last such column goes first. */
  readonly optional?: boolean;
}

/** Printable text, and how it is coloured. */
export interface Cell {
  readonly text: string;
  readonly paint: (text: string) => string;
}

export type Row = readonly (string | Cell)[];

/**
 * The lines of a table no wider than `width` cells, of which it takes no more than it needs. What does not fit ends with
 * `…`; the last line then tells which columns were left out.
 *
 * @param width Infinity where nothing may be shortened: in a pipe or a file
 */
export function formatTable(columns: readonly Column[], rows: readonly Row[], width: number): string {
  const table = { columns, rows, naturals: columns.map(({ title }, index) => naturalWidth(title, rows, index)) };
  const shown = chosenColumns(table, width);
  const widths = columnWidths(table, shown, width);
  const line = (cells: readonly string[]): string => `│ ${cells.join(" │ ")} │`;
  const rule = (left: string, middle: string, right: string): string =>
    left + widths.map((cells) => "─".repeat(cells + 2)).join(middle) + right;
  const leftOut = columns.filter((_, index) => !shown.includes(index)).map(({ title }) => title);
  return [
    rule("┌", "┬", "┐"),
    line(shown.map((index, place) => cellText(columns[index]?.title ?? "", widths[place] ?? 0))),
    rule("├", "┼", "┤"),
    ...rows.map((row) => line(shown.map((index, place) => cellText(row[index] ?? "", widths[place] ?? 0)))),
    rule("└", "┴", "┘"),
    ...(leftOut.length === 0 ? [] : [fitToWidth(`Hidden: ${leftOut.join(", ")}`, width)]),
  ].join("\n");
}

/** Whether all columns but the optional ones have at least their least width. */
export function fitsTable(columns: readonly Column[], rows: readonly Row[], width: number): boolean {
  const needed = columns.flatMap(({ title, widthMin = Number.POSITIVE_INFINITY, optional }, index) =>
    optional === true ? [] : [Math.min(naturalWidth(title, rows, index), widthMin)],
  );
  return sum(needed) <= roomFor(needed, width);
}

/** What no table has room for: a block a row, one cell a line, empty ones left out. Nothing is shortened. */
export function formatBlocks(columns: readonly Column[], rows: readonly Row[]): string {
  const titleWidth = Math.max(...columns.map(({ title }) => displayWidth(title)));
  const lineOf = (cell: string | Cell, index: number): readonly string[] =>
    textOf(cell) === ""
      ? []
      : [
          `${padToWidth(columns[index]?.title ?? "", titleWidth)}  ${typeof cell === "string" ? cell : cell.paint(cell.text)}`,
        ];
  return rows.map((row) => row.flatMap(lineOf).join("\n")).join("\n\n");
}

interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** What each column would take, in cells. */
  readonly naturals: readonly number[];
}

function naturalWidth(title: string, rows: readonly Row[], index: number): number {
  let width = displayWidth(title);
  for (const row of rows) width = Math.max(width, displayWidth(textOf(row[index] ?? "")));
  return width;
}

/** @returns the indices of the columns that are shown */
function chosenColumns({ columns, naturals }: Table, width: number): readonly number[] {
  const shown = columns.map((_, index) => index);
  const least = (index: number): number =>
    Math.min(naturals[index] ?? 0, columns[index]?.widthMin ?? Number.POSITIVE_INFINITY);
  while (sum(shown.map(least)) > roomFor(shown, width)) {
    const place = shown.findLastIndex((index) => columns[index]?.optional === true);
    if (place < 0) break;
    shown.splice(place, 1);
  }
  return shown;
}

/** The longest are shortened first: not below their least width, then as far as it must be, at last those to keep too. */
function columnWidths({ columns, naturals }: Table, shown: readonly number[], width: number): readonly number[] {
  const wanted = shown.map((index) => naturals[index] ?? 0);
  const room = roomFor(shown, width);
  const mins = shown.map((index) => columns[index]?.widthMin);
  return (
    cappedWidths(wanted, room, mins) ??
    cappedWidths(
      wanted,
      room,
      mins.map((min) => min && 1),
    ) ??
    cappedWidths(
      wanted,
      room,
      mins.map(() => 1),
    ) ??
    wanted.map(() => 1)
  );
}

/** @param floors below which a width is not capped; undefined: it is not capped at all */
function cappedWidths(
  wanted: readonly number[],
  room: number,
  floors: readonly (number | undefined)[],
): readonly number[] | undefined {
  if (sum(wanted) <= room) return wanted;
  for (let cap = Math.max(...wanted) - 1; cap > 0; cap -= 1) {
    const widths = wanted.map((width, index) => Math.min(width, Math.max(cap, floors[index] ?? width)));
    if (sum(widths) <= room) return widths;
  }
  return undefined;
}

/** What is left for the cells beside `│ ` at the left, ` │ ` in between and ` │` at the right. */
function roomFor(shown: readonly unknown[], width: number): number {
  return width - 3 * shown.length - 1;
}

function cellText(cell: string | Cell, width: number): string {
  const text = padToWidth(fitToWidth(textOf(cell), width), width);
  return typeof cell === "string" ? text : cell.paint(text);
}

function textOf(cell: string | Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
