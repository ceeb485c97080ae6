/** A process of a test of Windows: what it is to do stands in its arguments. */
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { library } from "./product.ts";
import { openAsPython } from "./system.ts";

const [role = "", ...args] = process.argv.slice(2);
const roles: Readonly<Record<string, (...args: readonly string[]) => Promise<void> | void>> = {
  hold,
  churn,
  read,
  tick,
  tree,
};
await roles[role]?.(...args);

/** Holds a name until it is killed. */
async function hold(path = "", name = ""): Promise<void> {
  const registry = await library.openRegistry(path);
  const claim = await registry.claim(name, { type: "node" });
  say(`held ${claim.id} ${claim.token}`);
  setInterval(() => {}, 1_000);
}

/** Claims and gives back a name again and again. Says what it had, and when it began and ended to have it. */
async function churn(path = "", name = "", times = "", logPath = ""): Promise<void> {
  const registry = await library.openRegistry(path);
  for (let i = 0; i < Number(times); i += 1) {
    const claim = await registry.claim(name, { type: "node", waitMs: 60_000 });
    if (i === 0) say("first");
    appendFileSync(logPath, `begin ${process.pid} ${claim.id} ${claim.token}\n`);
    await new Promise((resolve) => setTimeout(resolve, 2));
    appendFileSync(logPath, `end ${process.pid} ${claim.id} ${claim.token}\n`);
    await claim.release();
  }
  await registry.close();
  say("done");
}

/** Has a file open for a while, as Python's readers do. */
function read(path = "", ms = ""): void {
  const reader = openAsPython(path);
  say("open");
  setTimeout(() => reader.close(), Number(ms));
}

/** Writes to a file as long as it lives. */
function tick(filePath = ""): void {
  setInterval(() => appendFileSync(filePath, "."), 50);
}

/** Starts a process that is to outlive it, and lives on. */
function tree(filePath = ""): void {
  const self = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [self, "tick", filePath], { detached: true, stdio: "ignore" });
  child.unref();
  say(`tree ${process.pid} ${child.pid} ${process.env["NAMEHOLD_NAME"]} ${process.env["NAMEHOLD_TOKEN"]}`);
  setInterval(() => {}, 1_000);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
