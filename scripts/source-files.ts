import { globSync, readFileSync } from "node:fs";
import { type Program, parseSync } from "oxc-parser";

export interface SourceFile {
  /** Relative to the project, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly program: Program;
}

export function sourceFiles(...patterns: readonly string[]): readonly SourceFile[] {
  return globSync([...patterns])
    .map((path) => path.replaceAll("\\", "/"))
    .toSorted()
    .map((path) => parseSourceFile(path, readFileSync(path, "utf8")));
}

/** @throws when the text does not parse: a file that cannot be read cannot be judged. */
export function parseSourceFile(path: string, text: string): SourceFile {
  const { program, errors } = parseSync(path, text);
  const [error] = errors;
  if (error) throw new Error(`${path}: ${error.message}`);
  return { path, text, program };
}

export function lineOf(file: SourceFile, offset: number): number {
  return file.text.slice(0, offset).split("\n").length;
}
