import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { CHECKOUT } from "./namehold.ts";

/** The parts of a .cpuprofile that are read here. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const SHOWN = 15;
const IDLE = new Set(["(idle)", "(program)", "(root)"]);

/** The functions that took most of the time of each profiled worker, by themselves, as text. */
export function describeProfiles(directory: string): string {
  const files = readdirSync(directory).filter((name) => name.endsWith(".cpuprofile"));
  return files.map((name) => `${name}\n${describeProfile(readProfile(join(directory, name)))}`).join("\n\n");
}

export function describeProfile(profile: CpuProfile): string {
  const selfUs = new Map<string, number>();
  const places = new Map(profile.nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
  let totalUs = 0;
  for (const [index, id] of profile.samples.entries()) {
    const place = places.get(id) ?? "unknown";
    const deltaUs = profile.timeDeltas[index] ?? 0;
    if (IDLE.has(place)) continue;
    totalUs += deltaUs;
    selfUs.set(place, (selfUs.get(place) ?? 0) + deltaUs);
  }
  const top = [...selfUs].sort(([, a], [, b]) => b - a).slice(0, SHOWN);
  return top
    .map(
      ([place, us]) =>
        `${((us / totalUs) * 100).toFixed(1).padStart(5)} %  ${(us / 1_000).toFixed(1).padStart(9)} ms  ${place}`,
    )
    .join("\n");
}

function placeOf({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  if (url === "") return name;
  const path = url.startsWith("file://") ? relative(CHECKOUT, new URL(url).pathname) : url;
  return `${name}  ${path}:${lineNumber + 1}`;
}

function readProfile(path: string): CpuProfile {
  return JSON.parse(readFileSync(path, "utf8")) as CpuProfile;
}
