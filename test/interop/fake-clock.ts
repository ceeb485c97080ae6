import { globSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * A wall clock that tests can step while a process runs, by libfaketime. Monotonic clocks are left alone, as a stepped
 * wall clock leaves them alone.
 */
export class FakeClock {
  readonly #offsetFile: string;
  /** For the environment of the process whose clock it is. */
  readonly env: Readonly<Record<string, string>>;

  /** `directory` holds the file by which the process is told the offset. */
  constructor(directory: string, name: string) {
    this.#offsetFile = join(directory, `faketime-${name}`);
    this.step(0);
    this.env = {
      LD_PRELOAD: libfaketimePath(),
      FAKETIME_TIMESTAMP_FILE: this.#offsetFile,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      FAKETIME_DONT_RESET: "1",
      // A stepped clock shifts what is written from now on, not the times of files that are there.
      NO_FAKE_STAT: "1",
    };
  }

  /** Sets the wall clock to the true time plus `offsetSeconds`. */
  step(offsetSeconds: number): void {
    writeFileSync(this.#offsetFile, `${offsetSeconds < 0 ? "" : "+"}${offsetSeconds}`);
  }
}

/** What libfaketime leaves of a killed process. Another with its pid would find it there and refuse to start. */
export function removeFakeTimeMemory(pid: number | undefined): void {
  for (const kind of ["faketime_shm", "sem.faketime_sem"]) rmSync(`/dev/shm/${kind}_${pid}`, { force: true });
}

function libfaketimePath(): string {
  const [found] = globSync("/usr/{lib,lib64}/{*/,}faketime/libfaketimeMT.so.1");
  if (found === undefined) throw new Error("libfaketime is missing. Install it: apt-get install faketime");
  return found;
}
