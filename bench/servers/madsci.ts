import { existsSync } from "node:fs";
import { join } from "node:path";
import { CHECKOUT } from "../harness/namehold.ts";
import type { Start } from "./server.ts";
import { versionOf } from "./server-process.ts";

const MADSCI_VERSION = "0.8.1";
/** What MADSci's own lock file pins. */
const FILELOCK_VERSION = "3.25.0";

const HOME = process.env["NAMEHOLD_INTEROP_HOME"] ?? join(CHECKOUT, ".cache/interop");

export const MADSCI_PYTHON = join(HOME, `madsci-${MADSCI_VERSION}/bin/python`);
export const MADSCI_PYTHON_PATH = join(HOME, `filelock-${FILELOCK_VERSION}`);

/** No server: the installation that the interop tests use too. */
export const startMadsci: Start = async () => {
  if (!existsSync(MADSCI_PYTHON) || !existsSync(MADSCI_PYTHON_PATH)) {
    return { missing: "MADSci is not installed: test/interop/setup.sh (needs python3-venv)" };
  }
  return {
    url: "",
    version: `madsci-common ${MADSCI_VERSION}, filelock ${FILELOCK_VERSION}, ${versionOf(MADSCI_PYTHON)}`,
    settings: "its defaults, unless a row says otherwise",
    stop: async () => undefined,
  };
};
