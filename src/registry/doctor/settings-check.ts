import { isAbsolute } from "node:path";
import type { Check, FixableFinding } from "../../core/finding.js";
import { shellWord } from "../../core/shell-word.js";
import { readFileOrAbsent } from "../../platform/atomic-file.js";
import { resolveLinks } from "../../platform/real-path.js";
import { entriesIn, type LabSurroundings, longestTtlMs, registryFoundFrom, settingsFiles } from "./lab-files.js";

/** Whether MADSci's settings agree with each other and with the registry that was looked at. */
export const settingsCheck: Check<LabSurroundings> = {
  check: "settings",
  title: "Settings",
  examine: (surroundings) => {
    const files = settingsFiles(surroundings);
    const settings = [...settingsIn(surroundings.env), ...files.flatMap(settingsInFile)];
    return {
      looked: `${files.length} settings file${files.length === 1 ? "" : "s"} of the lab, and the environment`,
      findings: [
        ...shortTimeouts(settings, surroundings),
        ...resolutionOff(settings),
        ...relativePath(surroundings),
        ...elsewhere(surroundings),
      ],
    };
  },
};

interface Setting {
  /** A component's prefix, then the setting; as it is written there. */
  readonly key: string;
  readonly value: string;
  /** For people: a file with its line, or the environment. */
  readonly place: string;
  /** The text by which it is given another value there. */
  readonly assign: (value: number) => string;
}

/** One pattern for dotenv, YAML, TOML and JSON: the two settings that matter here are plain ones in all of them. */
const SETTING = /(?<!\w)(\w*(?:registry_lock_timeout|enable_registry_resolution))["']?\s*[:=]\s*["']?([^\s"',#}]+)/gi;
const COMMENT = /^\s*#/;

function settingsIn(env: LabSurroundings["env"]): readonly Setting[] {
  return Object.entries(env).flatMap(([key, value]) =>
    readSettings(`${key}=${value ?? ""}`).map((setting) => ({
      ...setting,
      place: "the environment",
      assign: (to) => `export ${key}=${to}`,
    })),
  );
}

function settingsInFile(path: string): readonly Setting[] {
  const lines = (readFileOrAbsent(path)?.toString("utf8") ?? "").split("\n");
  return lines.flatMap((line, index) =>
    COMMENT.test(line)
      ? []
      : readSettings(line).map((setting) => ({
          ...setting,
          place: `${path}, line ${index + 1}`,
          assign: (to) => assignment(path, setting.key, to),
        })),
  );
}

function readSettings(text: string): readonly Pick<Setting, "key" | "value">[] {
  return [...text.matchAll(SETTING)].map(([, key = "", value = ""]) => ({ key, value }));
}

/** As the file's format has it. */
function assignment(path: string, key: string, value: number): string {
  if (path.endsWith("env")) return `${key}=${value}`;
  if (path.endsWith("toml")) return `${key} = ${value}`;
  return path.endsWith("json") ? `"${key}": ${value}` : `${key}: ${value}`;
}

function isOf(name: string, { key }: Setting): boolean {
  return key.toLowerCase().endsWith(name);
}

/** The reference's lock TTL, which no setting changes. */
const REFERENCE_TTL_MS = 30_000;

function shortTimeouts(settings: readonly Setting[], { registryPath }: LabSurroundings): readonly FixableFinding[] {
  const entries = registryPath === undefined ? undefined : entriesIn(registryPath);
  const ttlMs = Math.max(REFERENCE_TTL_MS, longestTtlMs(entries?.values() ?? []));
  const leastS = (2 * ttlMs) / 1_000;
  return settings
    .filter((setting) => isOf("registry_lock_timeout", setting) && Number(setting.value) < leastS)
    .map(({ key, value, place, assign }) => ({
      code: "settings.lock-timeout-short",
      severity: "warning",
      what: `${key} is ${value} s in ${place}; locks live up to ${ttlMs / 1_000} s.`,
      means:
        Number(value) * 1_000 <= ttlMs
          ? "A component that crashed and is restarted gives up before the lock of its former life is over, and stays down."
          : "A component that crashed and is restarted may give up before the lock of its former life is over: the time is short for a slow start.",
      remedy: `Set it to twice the TTL or more: ${assign(leastS)}`,
    }));
}

function resolutionOff(settings: readonly Setting[]): readonly FixableFinding[] {
  return settings
    .filter((setting) => isOf("enable_registry_resolution", setting) && /^(?:false|0|no|off|n|f)$/i.test(setting.value))
    .map(({ key, place }) => ({
      code: "settings.resolution-off",
      severity: "note",
      what: `${key} is off in ${place}.`,
      means:
        "Components with this setting do not use the registry: they have a new ID at every start, and nothing keeps two of them apart.",
      remedy: "Remove the setting, unless it is meant.",
    }));
}

function relativePath({ env }: LabSurroundings): readonly FixableFinding[] {
  const path = env["MADSCI_REGISTRY_PATH"] ?? "";
  if (path === "" || isAbsolute(path) || path.startsWith("~")) return [];
  return [
    {
      code: "settings.relative-path",
      severity: "warning",
      what: `MADSCI_REGISTRY_PATH is the relative path ${path}.`,
      means:
        "It names another registry for each directory in which a component is started: one name then has several IDs and several holders.",
      remedy: `Name it in full: export MADSCI_REGISTRY_PATH=${shellWord(resolveLinks(path))}`,
    },
  ];
}

/** Who is started here without being told uses what is found from here. */
function elsewhere(surroundings: LabSurroundings): readonly FixableFinding[] {
  if (surroundings.registryPath === undefined) return [];
  const own = resolveLinks(surroundings.registryPath);
  const configured = surroundings.env["MADSCI_REGISTRY_PATH"] ?? "";
  const found = registryFoundFrom(surroundings);
  if (found !== undefined && found !== own) return [foundElsewhere(own, found, configured)];
  const { MADSCI_REGISTRY_PATH: _configured, ...env } = surroundings.env;
  const unconfigured = registryFoundFrom({ ...surroundings, env });
  const isOther = configured !== "" && unconfigured !== undefined && unconfigured !== own;
  return isOther && entriesIn(unconfigured) !== undefined ? [withoutVariable(own, unconfigured)] : [];
}

function foundElsewhere(own: string, found: string, configured: string): FixableFinding {
  return {
    code: "settings.elsewhere",
    severity: "note",
    what: `This is about ${own}, but a component that is started here uses ${found}${configured === "" ? "" : " (MADSCI_REGISTRY_PATH)"}.`,
    means: "If both are meant to be one lab's, its components do not see each other's locks.",
    remedy: `Where this registry is meant, start components with: export MADSCI_REGISTRY_PATH=${shellWord(own)}`,
  };
}

function withoutVariable(own: string, unconfigured: string): FixableFinding {
  return {
    code: "settings.variable-needed",
    severity: "warning",
    what: `MADSCI_REGISTRY_PATH names ${own}, but a component that is started here without it uses ${unconfigured}, which exists.`,
    means:
      "A service file or a shell that lacks the variable starts a second identity of the same names, and a second holder.",
    remedy: `Set the variable for every component (its service file, its container), or keep one registry: mv ${shellWord(unconfigured)} ${shellWord(`${unconfigured}.unused`)}`,
  };
}
