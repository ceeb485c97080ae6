import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";

export interface RunningProfile {
  /** Writes what was seen since the start. */
  end(): Promise<void>;
}

/** Not `node --cpu-prof`: what is looked for is where the work goes, and that would show mostly the start of the process. */
export async function startProfile(path: string): Promise<RunningProfile> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
  return {
    async end() {
      const { profile } = await session.post("Profiler.stop");
      session.disconnect();
      writeFileSync(path, JSON.stringify(profile));
    },
  };
}
