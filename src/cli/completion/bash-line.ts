/**
 * A command line as bash shows it to a completion function, and words as bash wants them back. Bash's own division into
 * words (COMP_WORDS) cannot be used: it divides at `:` and `=` too, and keeps the quotes.
 */

/** A command line up to the cursor. */
export interface BashLine {
  /** Without their quotes. The last is being typed. */
  readonly words: readonly string[];
  /** The words before the last, with their quotes. */
  readonly rawWords: readonly string[];
  /** The quote in which the cursor is. */
  readonly quote: Quote;
  /** What of the last word readline will keep: it replaces what comes after. Null when that cannot be told. */
  readonly kept: string | null;
}

type Quote = "" | "'" | '"';

/** @param wordBreaks COMP_WORDBREAKS: where readline begins the word that it replaces */
export function parseBashLine(line: string, wordBreaks: string): BashLine {
  const words: string[] = [];
  const rawWords: string[] = [];
  let word = new Word();
  for (let at = 0; at < line.length; at++) {
    const character = line[at] ?? "";
    if (word.quote === "" && /\s/.test(character)) {
      if (word.raw !== "") {
        words.push(word.value);
        rawWords.push(word.raw);
      }
      word = new Word();
    } else if (isEscape(line, at, word.quote)) {
      word.escaped(line[++at] ?? "");
    } else {
      word.add(character, wordBreaks);
    }
  }
  return { words: [...words, word.value], rawWords, quote: word.quote, kept: word.kept };
}

class Word {
  raw = "";
  value = "";
  quote: Quote = "";
  kept: string | null = "";

  escaped(character: string): void {
    this.raw += `\\${character}`;
    this.value += character;
  }

  add(character: string, wordBreaks: string): void {
    this.raw += character;
    if (this.quote === "" && (character === "'" || character === '"')) {
      this.quote = character;
      // Readline replaces what is behind the open quote.
      if (this.kept !== null) this.kept = this.value;
    } else if (this.quote !== "" && character === this.quote) {
      this.quote = "";
      // Where readline begins behind a closed quote depends on much.
      this.kept = null;
    } else {
      this.value += character;
      if (this.quote === "" && wordBreaks.includes(character) && this.kept !== null) this.kept = this.value;
    }
  }
}

function isEscape(line: string, at: number, quote: Quote): boolean {
  if (line[at] !== "\\" || quote === "'") return false;
  return quote === "" || /["$`\\]/.test(line[at + 1] ?? "");
}

/**
 * What bash puts in the place of what was typed of the last word, or null where that cannot be written in the quotes
 * that are open.
 */
export function bashReply(candidate: string, { words, quote, kept }: BashLine): string | null {
  if (kept === null || !candidate.startsWith(words.at(-1) ?? "")) return null;
  const rest = candidate.slice(kept.length);
  switch (quote) {
    case "":
      return rest.replaceAll(/[^\w@%+=:,./\-\u0080-\u{10ffff}]/gu, "\\$&");
    case "'":
      return rest.includes("'") ? null : rest;
    case '"':
      // An interactive bash expands `!` even there.
      return rest.includes("!") ? null : rest.replaceAll(/["$`\\]/g, "\\$&");
    default:
      return quote satisfies never;
  }
}
