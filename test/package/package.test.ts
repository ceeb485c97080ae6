import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/**
 * What a user gets: the packed tarball, installed with npm into an empty project, on the Nodes that are promised. There is
 * no compiler in these projects' PATH, so koffi must work from its prebuilt binary.
 */
const ULID = /[0-7][0-9A-HJKMNP-TV-Z]{25}/;
const TOOLS = ["npm", "sh", "bash", "env", "uname", "mkdir", "cp", "rm", "ln", "cat"];

let scratch: string;
let tarball: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "namehold-package-"));
  const name = execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", scratch], {
    encoding: "utf8",
  });
  tarball = join(scratch, name.trim());
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.each(["22.14.0", "22", "24"])("installed from the tarball, on Node %s", (nodeVersion) => {
  let project: Project;
  beforeAll(() => {
    project = installInto(`node-${nodeVersion}`, nodeVersion);
  });

  test("the library claims a name and gives it back", () => {
    // Written out, since Node 22 cannot parse `await using`.
    const program = `
      import { openRegistry } from "namehold";
      const registry = await openRegistry("./library.json");
      const claim = await registry.claim("liquidhandler_1", { type: "node" });
      console.log(process.versions.node, claim.id, claim.held);
      await claim[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    `;
    const { status, stdout, stderr } = project.run("node", "--input-type=module", "--eval", program);
    expect(stderr).toBe("");
    expect(stdout).toMatch(new RegExp(`^${nodeVersion}\\S* ${ULID.source} true\\n$`));
    expect(status).toBe(0);
  });

  test("the library's testing entry can be imported", () => {
    const program = `import * as testing from "namehold/testing"; console.log(Object.keys(testing).length > 0);`;
    const { stdout, stderr } = project.run("node", "--input-type=module", "--eval", program);
    expect({ stdout, stderr }).toEqual({ stdout: "true\n", stderr: "" });
  });

  test("the command runs the main job, and again with the same id and a higher token", () => {
    const [first, second] = [mainJob(), mainJob()];
    expect(first.id).toMatch(ULID);
    expect(second.id).toBe(first.id);
    expect(second.token).toBeGreaterThan(first.token);
  });

  function mainJob() {
    const job = 'echo "$NAMEHOLD_NAME $NAMEHOLD_ID $NAMEHOLD_TOKEN"';
    const command = ["run", "liquidhandler_1", "--type", "node", "-r", "cli.json", "--", "sh", "-c", job];
    const { status, stdout, stderr } = project.run("namehold", ...command);
    expect(status, stderr).toBe(0);
    const [name, id = "", token] = stdout.trim().split(" ");
    expect(name).toBe("liquidhandler_1");
    return { id, token: Number(token) };
  }
});

test("on Node 20 the installed command says in one line what it needs", () => {
  const { status, stdout, stderr } = installInto("node-20", "20").run("namehold", "--version");
  expect(stderr).toMatch(/^namehold needs Node\.js 22\.14 or newer, and this is v20\.\d+\.\d+\.\n$/);
  expect(stdout).toBe("");
  expect(status).toBe(78);
});

interface Project {
  run(command: string, ...args: readonly string[]): { status: number | null; stdout: string; stderr: string };
}

/** A project of its own with its own HOME, in which `node` is the given version from npm. */
function installInto(folder: string, nodeVersion: string): Project {
  const root = join(scratch, folder);
  const tools = join(root, "tools");
  mkdirSync(tools, { recursive: true });
  for (const tool of TOOLS) symlinkSync(pathOf(tool), join(tools, tool));
  symlinkSync(process.execPath, join(tools, "node"));
  writeFileSync(join(root, "package.json"), JSON.stringify({ private: true, allowScripts: { node: true } }));

  const bins = join(root, "node_modules", ".bin");
  const env = { ...withoutThisProject(process.env), PATH: `${bins}${delimiter}${tools}`, HOME: root };
  const options = { cwd: root, env, encoding: "utf8", timeout: 120_000 } as const;
  const quietly = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
  execFileSync("npm", ["install", ...quietly, tarball, `node@${nodeVersion}`], options);
  return { run: (command, ...args) => spawnSync(join(bins, command), args, options) };
}

/** npm tells its scripts of the project that it runs in, and an npm in there would believe it. Its registry stays. */
function withoutThisProject(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = /^npm_config_(userconfig|globalconfig|cache|registry)$/;
  return Object.fromEntries(Object.entries(env).filter(([key]) => !key.startsWith("npm_") || kept.test(key)));
}

function pathOf(tool: string): string {
  return execFileSync("sh", ["-c", 'command -v "$1"', "sh", tool], { encoding: "utf8" }).trim();
}
