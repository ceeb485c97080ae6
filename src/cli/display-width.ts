/**
 * How many cells of a terminal a text takes: none for what combines with the character before it, two for what East
 * Asian scripts and emoji take, one for the rest. As Unicode's East Asian Width has it; that JavaScript does not know.
 *
 * @param text printable, without escape sequences
 */
export function displayWidth(text: string): number {
  if (isPlain(text)) return text.length;
  return graphemes(text).reduce((width, grapheme) => width + graphemeWidth(grapheme), 0);
}

/** The text, or as much of it as `width` cells hold, with `…` for the rest. */
export function fitToWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  let left = width - ELLIPSIS.length;
  for (const grapheme of graphemes(text)) {
    left -= graphemeWidth(grapheme);
    if (left < 0) break;
    kept += grapheme;
  }
  return width < ELLIPSIS.length ? "" : kept + ELLIPSIS;
}

/** The text with spaces after it, up to `width` cells. */
export function padToWidth(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}

const ELLIPSIS = "…";
/** Hangul's vowels and finals are drawn into the cells of their first consonant. */
const COMBINING = /^[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff\ud7b0-\ud7fb]$/u;
/** Checked against Python's unicodedata 14 for every character assigned there. */
const WIDE =
  /^[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u3247\u3250-\ua4c6\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18d08}\u{1aff0}-\u{1b2fb}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]$/u;
/** Drawn as one picture, however many characters it is made of. */
const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u;

let segmenter: Intl.Segmenter | undefined;

function isPlain(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

function graphemes(text: string): readonly string[] {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

function graphemeWidth(grapheme: string): number {
  if (EMOJI.test(grapheme)) return 2;
  let width = 0;
  for (const character of grapheme) width += COMBINING.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}
