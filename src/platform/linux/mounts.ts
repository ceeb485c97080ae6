import { readFileSync } from "node:fs";

/** Linux alone can mount a single file over another. */
export function isMountPoint(realPath: string): boolean {
  return isMountedOn(readFileSync("/proc/self/mountinfo", "utf8"), realPath);
}

/**
 * Whether what is seen at the path is the root of a mount: a mount there may be hidden below a later one further up.
 *
 * @param mountInfo proc_pid_mountinfo(5), whose order tells nothing: what is mounted on what does
 * @param path absolute, without symbolic links
 */
export function isMountedOn(mountInfo: string, path: string): boolean {
  const mounts = mountInfo.split("\n").flatMap((line) => parseMount(line) ?? []);
  const ids = new Set(mounts.map(({ id }) => id));
  // The parent of an outermost one is itself, or not shown; a changed root has several of them.
  const isOutermost = ({ id, parent }: Mount): boolean => parent === id || !ids.has(parent);
  const byPlace = new Map(mounts.map((it) => [`${isOutermost(it) ? "" : it.parent} ${it.point}`, it]));
  let seen = { id: "", point: "" };
  for (const place of placesDownTo(path)) {
    // On one place there may be several, each on top of the one before.
    let next = byPlace.get(`${seen.id} ${place}`);
    while (next !== undefined) {
      seen = next;
      next = byPlace.get(`${seen.id} ${place}`);
    }
  }
  return seen.point === path;
}

interface Mount {
  readonly id: string;
  readonly parent: string;
  readonly point: string;
}

/** Space, tab, newline and backslash are octal in it. */
function parseMount(line: string): Mount | undefined {
  const [id, parent, , , point] = line.split(" ");
  if (id === undefined || parent === undefined || point === undefined) return undefined;
  const plain = point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return { id, parent, point: plain };
}

/** `/`, `/a`, `/a/b` for `/a/b`. */
function placesDownTo(path: string): readonly string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return ["/", ...parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`)];
}
