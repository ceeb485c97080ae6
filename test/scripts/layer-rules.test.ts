import { expect, test } from "vitest";
import { layerProblems } from "../../scripts/layer-rules.ts";
import { parseSourceFile } from "../../scripts/source-files.ts";

/** Each of these must be refused, with a message that contains the last column. */
const REFUSED = [
  ["src/core/entry.ts", `import { x } from "../platform/clock.js";`, "may not import platform/clock.ts"],
  ["src/core/entry.ts", `import { ulid } from "ulid";`, "imports no package"],
  ["src/core/entry.ts", `import type { Stats } from "node:fs";`, "imports no package"],
  ["src/core/entry.ts", `type X = import("../registry/claim.js").Claim;`, "may not import registry/claim.ts"],
  ["src/platform/clock.ts", `import { x } from "../stores/store.js";`, "may not import stores/store.ts"],
  ["src/stores/store.ts", `export * from "./memory/store.js";`, "may not import stores/memory/store.ts"],
  ["src/stores/json-file/store.ts", `export { x } from "../../registry/claim.js";`, "may not import registry/claim.ts"],
  ["src/stores/json-file/store.ts", `import type { X } from "../memory/store.js";`, "may not import stores/memory"],
  ["src/stores/memory/a/b.ts", `await import("../../json-file/x.js");`, "may not import stores/json-file/x.ts"],
  ["src/registry/registry.ts", `import { x } from "../stores/memory/store.js";`, "may not import stores/memory"],
  ["src/registry/registry.ts", `import { x } from "../cli/app.js";`, "may not import cli/app.ts"],
  ["src/registry/open-registry.ts", `import { x } from "../cli/app.js";`, "may not import cli/app.ts"],
  ["src/testing/index.ts", `import { x } from "../stores/json-file/store.js";`, "may not import stores/json-file"],
  ["src/testing/index.ts", `import { x } from "../platform/clock.js";`, "may not import platform/clock.ts"],
  ["src/server/routes.ts", `import { x } from "../cli/app.js";`, "may not import cli/app.ts"],
  ["src/cli/app.ts", `import { x } from "../testing/index.js";`, "may not import testing/index.ts"],
  ["src/cli/app.ts", `await import(process.argv[2]);`, "cannot be known"],
  ["src/cli/app.ts", `import { x } from "../../test/x.js";`, "may not import ../test/x.ts"],
  ["src/index.ts", `import { x } from "./cli/app.js";`, "may not import cli/app.ts"],
  ["src/utils/x.ts", "", "belongs to no layer"],
  ["src/registry/claim.ts", "const at = Date.now();", "Date.now belongs to src/platform/"],
  ["src/registry/claim.ts", `const at = globalThis.Date["now"]();`, "Date.now belongs to src/platform/"],
  ["src/registry/claim.ts", "const { now } = Date;", "Date.now belongs to src/platform/"],
  ["src/registry/claim.ts", "const at = new Date();", "new Date() belongs to src/platform/"],
  ["src/registry/claim.ts", "const at = Date();", "Date() belongs to src/platform/"],
  ["src/core/token.ts", "const chance = Math.random();", "Math.random belongs to src/platform/"],
  ["src/stores/memory/store.ts", "const at = performance.now();", "performance.now belongs to src/platform/"],
  ["src/cli/app.ts", "const at = process.hrtime.bigint();", "process.hrtime belongs to src/platform/"],
  ["src/cli/app.ts", `import { hrtime } from "node:process";`, "process.hrtime belongs to src/platform/"],
  ["src/cli/app.ts", `if (process.platform === "linux") x();`, "process.platform belongs to src/platform/host.ts"],
  ["src/platform/clock.ts", "const { platform } = process;", "process.platform belongs to src/platform/host.ts"],
  ["src/platform/clock.ts", `import { platform } from "node:os";`, "process.platform belongs to src/platform/host.ts"],
  ["src/platform/clock.ts", "const on = os.platform();", "os.platform belongs to src/platform/host.ts"],
  ["src/platform/mounts.ts", `readFileSync("/proc/self/mountinfo");`, "/proc belongs to src/platform/linux/"],
  ["src/stores/json-file/store.ts", "readdirSync(`/proc`);", "/proc belongs to src/platform/linux/"],
] as const;

const ALLOWED = [
  ["src/core/entry.ts", `import type { WallMs } from "./timing.js";`],
  [
    "src/platform/clock.ts",
    `import { x } from "../core/timing.js"; const at = [Date.now(), new Date(), Math.random()];`,
  ],
  ["src/platform/host.ts", "const on = process.platform;"],
  ["src/platform/linux/mounts.ts", `readFileSync("/proc/self/mountinfo"); readdirSync("/proc");`],
  ["src/cli/app.ts", `const message = "Look into /proc/locks."; const path = "/procedure";`],
  ["src/stores/json-file/store.ts", `import { x } from "../store.js"; import { y } from "../../platform/clock.js";`],
  ["src/stores/json-file/text/splice.ts", `import { x } from "../store.js";`],
  ["src/registry/registry.ts", `import type { Store } from "../stores/store.js"; const at = new Date(0);`],
  ["src/registry/open-registry.ts", `import { x } from "../stores/json-file/store.js";`],
  ["src/testing/index.ts", `import { x } from "../stores/memory/store.js"; import { test } from "vitest";`],
  ["src/cli/app.ts", `import { x } from "../stores/json-file/store.js"; import { Command } from "commander";`],
] as const;

test.each(REFUSED)("the layer check refuses in %s: %s", (path, text, message) => {
  expect(layerProblems(parseSourceFile(path, text)).join("\n")).toContain(message);
});

test.each(ALLOWED)("the layer check allows in %s: %s", (path, text) => {
  expect(layerProblems(parseSourceFile(path, text))).toEqual([]);
});

test("the layer check says in which line the problem is", () => {
  const file = parseSourceFile("src/registry/claim.ts", "\n\nexport const at = Date.now();");
  expect(layerProblems(file)).toEqual(["src/registry/claim.ts:3: Date.now belongs to src/platform/"]);
});
