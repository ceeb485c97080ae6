/**
 * A process that holds names in the registry file given, until it is killed: tells its holder, then answers each line (the
 * parts of a change, as JSON) with the outcome of its commit. Runs on node itself, against the built package.
 */
import { createInterface } from "node:readline";
import { openRegistry } from "namehold";

const [path = ""] = process.argv.slice(2);
const { store, lockManager } = await openRegistry(path);
const { holder } = lockManager;
process.stdout.write(`${JSON.stringify(holder)}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const { kind } = await store.commit({ holder, parts: JSON.parse(line) });
  process.stdout.write(`${JSON.stringify(kind)}\n`);
}
