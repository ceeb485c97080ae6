import { statsAt } from "../../platform/file-stats.js";

/** Changes with every replacement of the file, as far as the file system can tell. @returns undefined when there is none */
export function stampOf(path: string): string | undefined {
  const stats = statsAt(path);
  return stats && `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
}
