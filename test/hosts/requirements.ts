import { findProgram } from "../../bench/servers/server-process.ts";

/** Programs of the system, and how to get each. */
const PROGRAMS: Readonly<Record<string, string>> = {
  ip: "apt-get install iproute2",
  tc: "apt-get install iproute2",
  nft: "apt-get install nftables",
  nsenter: "apt-get install util-linux",
  unshare: "apt-get install util-linux",
  setpriv: "apt-get install util-linux",
  faketime: "apt-get install faketime",
};

/** What keeps the rig from running here, in a sentence each; empty when nothing does. */
export function missingRequirements(): string[] {
  const missing = Object.entries(PROGRAMS)
    .filter(([program]) => findProgram(program, ["/sbin"]) === undefined)
    .map(([program, remedy]) => `${program} is not installed: ${remedy}`);
  if (process.platform !== "linux") missing.unshift("Several hosts on one machine need Linux's network namespaces.");
  else if (process.getuid?.() !== 0) missing.unshift("Network namespaces need root: run this with sudo.");
  return missing;
}
