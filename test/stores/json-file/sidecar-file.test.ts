import { linkSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SidecarFile } from "../../../src/stores/json-file/sidecar-file.js";
import { temporaryDirectory } from "./lab-files.js";

describe("the sidecar's file", () => {
  it("has the record that was written last, and stays below a bound [G12]", () => {
    const { file, write } = sidecarFile();
    for (let n = 0; n < 3_000; n += 1) {
      const record = JSON.stringify({ n, name: "Ü".repeat(n % 100) });
      write(record);
      expect(file.read()).toBe(record);
    }
    expect(statSync(file.path).size).toBeLessThanOrEqual(64 * 1024);
    write("x".repeat(100_000));
    expect(file.read()).toHaveLength(100_000);
  });

  it("has the record before the one at which a writer was killed, wherever that was [G3, G7]", () => {
    const { file, write } = sidecarFile();
    write('{"first":1}');
    write('{"second":2}');
    for (let bytes = statSync(file.path).size - 1; bytes >= '{"first":1}\n'.length; bytes -= 1) {
      truncateSync(file.path, bytes);
      expect(file.read()).toBe('{"first":1}');
    }
  });

  it("goes on after half a record, and after a record without a line end", () => {
    const { file, write } = sidecarFile();
    writeFileSync(file.path, '{"old":1}');
    expect(file.read()).toBe('{"old":1}');
    write('{"new":1}');
    expect(file.read()).toBe('{"new":1}');
    writeFileSync(file.path, '{"new":1}\n{"ha');
    expect(file.read()).toBe('{"new":1}');
    write('{"newer":1}');
    expect(file.read()).toBe('{"newer":1}');
  });

  it("does not write what the caller has forbidden at the last moment [G9]", () => {
    const { file, write } = sidecarFile();
    write('{"first":1}');
    const forbid = (): never => {
      throw new Error("turn lost");
    };
    for (const durable of [false, true]) {
      file.read();
      expect(() => file.write('{"second":2}', { durable, beforeWrite: forbid })).toThrow("turn lost");
      expect(file.read()).toBe('{"first":1}');
    }
  });

  it("is not written where a hard link points", () => {
    const { file, write } = sidecarFile();
    const victim = join(file.path, "..", "victim");
    writeFileSync(victim, "precious");
    linkSync(victim, file.path);
    write('{"first":1}');
    expect([readFileSync(victim, "utf8"), file.read()]).toEqual(["precious", '{"first":1}']);
  });
});

function sidecarFile() {
  const file = new SidecarFile(join(temporaryDirectory(), "state.json"));
  const write = (record: string): void => {
    file.read();
    file.write(record, { durable: false, beforeWrite: () => undefined });
  };
  return { file, write };
}
