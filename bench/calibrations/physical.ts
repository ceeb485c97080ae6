import { once } from "node:events";
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { connect as connectTo } from "node:net";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import koffi from "koffi";
import type { Calibration } from "./calibration.ts";

const PAGE = Buffer.alloc(4_096, "x");
const LOCK_EX = 2;
const LOCK_UN = 8;

/** The floor of whatever is on disk before it is returned. */
export const fdatasync: Calibration = {
  id: "calibration/fdatasync",
  title: "4 KiB write + fdatasync",
  what: "over the same 4 KiB of one open file",
  locate: (directory) => join(directory, "page"),
  async start({ location }) {
    const fd = openSync(location, "w");
    const write = (): void => {
      writeSync(fd, PAGE, 0, PAGE.length, 0);
      fdatasyncSync(fd);
    };
    write();
    return { run: write, close: () => closeSync(fd) };
  },
};

/** The floor of whatever asks a server. */
export const loopback: Calibration = {
  id: "calibration/loopback",
  title: "loopback TCP round trip",
  what: "64 bytes to another thread and back",
  locate: (directory) => directory,
  async start() {
    const echo = new Worker(new URL("./echo.ts", import.meta.url));
    const [port] = (await once(echo, "message")) as [number];
    const socket = connectTo({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    let answered: () => void = () => undefined;
    socket.on("data", () => answered());
    const message = Buffer.alloc(64);
    return {
      run: () =>
        new Promise((resolve) => {
          answered = resolve;
          socket.write(message);
        }),
      close: () => {
        socket.destroy();
        void echo.terminate();
      },
    };
  },
};

/** The floor of whatever excludes on one machine. */
export const bareFlock: Calibration = {
  id: "calibration/flock",
  title: "flock and unlock",
  what: "on one open descriptor, nothing written",
  locate: (directory) => join(directory, "lock"),
  async start({ location }) {
    const lock = koffi.load("libc.so.6").func("flock", "int", ["int", "int"]);
    const fd = openSync(location, "a");
    return {
      run: () => {
        if (lock(fd, LOCK_EX) !== 0 || lock(fd, LOCK_UN) !== 0) throw new Error("flock failed");
      },
      close: () => closeSync(fd),
    };
  },
};
