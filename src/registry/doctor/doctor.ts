import { homedir } from "node:os";
import { isAbsolute } from "node:path";
import { isNameholdError, type NameholdError } from "../../core/errors.js";
import { type Checkup, type DiagnoseOptions, runChecks } from "../../core/finding.js";
import { openRegistry } from "../open-registry.js";
import type { LabSurroundings } from "./lab-files.js";
import { namesCheck } from "./names-check.js";
import { otherRegistriesCheck } from "./other-registries-check.js";
import { platformCheck } from "./platform-check.js";
import { settingsCheck } from "./settings-check.js";

/** What was found, for an operator. */
export interface Diagnosis {
  /** Where the entries live; null when the registry could not be opened. */
  readonly location: string | null;
  readonly checkups: readonly Checkup[];
}

/**
 * Looks at a registry, at this machine and at the settings around, whether the registry can be opened or not.
 *
 * @param location as `openRegistry` takes it
 * @throws NameholdError `invalid-input` for a location that is none
 */
export async function diagnose(location: string | undefined, options: DiagnoseOptions): Promise<Diagnosis> {
  const checkups: Checkup[] = [];
  const collect = async (found: AsyncIterable<Checkup> | Iterable<Checkup>): Promise<void> => {
    for await (const checkup of found) checkups.push(checkup);
  };
  const place = await openAndDiagnose(location, options, collect);
  const surroundings: LabSurroundings = {
    env: process.env,
    cwd: process.cwd(),
    home: homedir(),
    registryPath: place !== null && isAbsolute(place) ? place : undefined,
  };
  await collect(runChecks([settingsCheck, otherRegistriesCheck, platformCheck], surroundings, options));
  return { location: place, checkups };
}

/** @returns where the registry is; null when it could not be opened */
async function openAndDiagnose(
  location: string | undefined,
  options: DiagnoseOptions,
  collect: (found: AsyncIterable<Checkup> | Iterable<Checkup>) => Promise<void>,
): Promise<string | null> {
  try {
    await using registry = await openRegistry(location);
    const checkups = await Array.fromAsync(registry.store.diagnose?.(options) ?? []);
    await collect(checkups);
    const looksAtNames = checkups.some(({ check }) => check === namesCheck.check);
    if (!looksAtNames) await collect(runChecks([namesCheck], { registry, checkups }, options));
    return registry.location;
  } catch (error) {
    if (!isNameholdError(error) || error.code === "invalid-input") throw error;
    await collect([notOpened(error)]);
    return null;
  }
}

function notOpened(error: NameholdError): Checkup {
  return {
    check: "registry",
    title: "Registry",
    looked: "cannot be opened",
    findings: [
      {
        code: "registry.not-opened",
        severity: "problem",
        what: error.message,
        means: "Nothing that this user starts on this machine can use the registry.",
        remedy:
          "Remove the obstacle that is named. For a path: namei -l PATH shows which directory stands in the way, and whose it is.",
      },
    ],
  };
}
