/**
 * Text from a registry, as a terminal and a log may have it: without what would steer the one, turn its letters around, or
 * forge a line of the other.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{C}\u2028\u2029]/gu, escaped);
}

/** JSON that steers no terminal, and means the same. @param json what `JSON.stringify` made */
export function printableJson(json: string): string {
  return json.replaceAll(STEERING, escaped);
}

/** What JSON leaves as it is: DEL and the C1 controls, the marks and controls of writing direction. */
const STEERING = /[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`,
  ).join("");
}
