import { micros } from "./format.ts";

export interface Bar {
  readonly label: string;
  /** In microseconds. */
  readonly value: number;
  /** Where the thin line after the bar ends, the p99 for example. */
  readonly reach: number;
  readonly kind: "own" | "peer" | "floor";
}

const WIDTH = 860;
const BAR_HEIGHT = 16;
const ROW_HEIGHT = 24;
const LABEL_WIDTH = 290;
const VALUE_WIDTH = 80;
const TOP = 48;
const BOTTOM = 28;
const COLOURS: Readonly<Record<Bar["kind"], string>> = { own: "#1a7f5a", peer: "#8a94a6", floor: "#d9a441" };

/** Horizontal bars on a logarithmic scale, as an SVG of its own. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const height = TOP + bars.length * ROW_HEIGHT + BOTTOM;
  const from = 10 ** Math.floor(Math.log10(Math.min(...bars.map(({ value }) => value))));
  const to = 10 ** Math.ceil(Math.log10(Math.max(...bars.map(({ reach }) => reach))));
  const span = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  const xOf = (value: number): number =>
    LABEL_WIDTH + (span * Math.log10(Math.max(value, from) / from)) / Math.log10(to / from);
  const grid = decades(from, to).map((value) => {
    const x = round(xOf(value));
    return `<line x1="${x}" y1="${TOP - 8}" x2="${x}" y2="${height - BOTTOM}" stroke="#dde1e8"/><text x="${x}" y="${height - 10}" text-anchor="middle" fill="#5b6575">${micros(value)}</text>`;
  });
  const rows = bars.map(({ label, value, reach, kind }, index) => {
    const y = TOP + index * ROW_HEIGHT;
    const end = round(xOf(value));
    return [
      `<text x="${LABEL_WIDTH - 10}" y="${y + 13}" text-anchor="end" fill="#1d2430">${escapeText(label)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${y}" width="${round(end - LABEL_WIDTH)}" height="${BAR_HEIGHT}" fill="${COLOURS[kind]}"/>`,
      `<line x1="${end}" y1="${y + 8}" x2="${round(xOf(reach))}" y2="${y + 8}" stroke="${COLOURS[kind]}" stroke-width="2"/>`,
      `<text x="${round(xOf(reach)) + 6}" y="${y + 13}" fill="#1d2430">${micros(value)}</text>`,
    ].join("");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="12" role="img">`,
    `<title>${escapeText(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="12" y="24" font-size="15" font-weight="600" fill="#1d2430">${escapeText(title)}</text>`,
    ...grid,
    ...rows,
    "</svg>",
    "",
  ].join("\n");
}

function decades(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.round(Math.log10(to / from)) + 1 }, (_, index) => from * 10 ** index);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
