#!/usr/bin/env node
/**
 * The `namehold` command: it only checks the version of Node, and must itself run on any Node that knows ES modules.
 * Hence no static import, and no syntax newer than Node 12's; everything else is behind `import("./app.js")`.
 */

/** `FAILURES.unsupported.exitStatus`, which cannot be imported here. A test compares the two. */
const UNSUPPORTED_EXIT_STATUS = 78;

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 14)) {
  const isVersionAsked = process.argv.length === 3 && process.argv[2] === "--version";
  const isDone = isVersionAsked
    ? import("./version.js").then((version) => version.printVersion())
    : Promise.resolve(false);
  // A rejection is left unhandled: Node then prints it and exits with status 1.
  void isDone.then((done) => (done ? undefined : import("./app.js").then((app) => app.runCli(process.argv))));
} else {
  process.stderr.write(`namehold needs Node.js 22.14 or newer, and this is ${process.version}.\n`);
  process.exitCode = UNSUPPORTED_EXIT_STATUS;
}
