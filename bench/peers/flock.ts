/** flock(2), as flock(1) calls it: one file a name, opened, locked, closed. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import koffi from "koffi";
import type { Locks, Peer } from "./peer.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

export const flock: Peer = {
  id: "flock",
  title: "flock(2)",
  includes: { durability: "none: kernel memory", history: false, presence: true, token: false },
  waits: "in the kernel, on a thread",
  pollMs: 0,
  lossIsTold: true,
  floor: "calibration/flock",
  death: { kind: "seen" },
  locate: (directory) => directory,

  async connect({ location }): Promise<Locks> {
    const lock = koffi.load("libc.so.6").func("flock", "int", ["int", "int"]);
    const wait = (fd: number): Promise<number> =>
      new Promise((resolve, reject) => {
        lock.async(fd, LOCK_EX, (error: unknown, result: number) => (error ? reject(error) : resolve(result)));
      });
    return {
      async acquire(name) {
        const fd = openSync(join(location, name), "a");
        // The thread is for those who must wait.
        if (lock(fd, LOCK_EX | LOCK_NB) !== 0 && (await wait(fd)) !== 0) throw new Error(`flock failed on ${name}`);
        let held = true;
        return {
          get held() {
            return held;
          },
          async release() {
            held = false;
            closeSync(fd);
          },
        };
      },
      async close() {},
    };
  },
};
