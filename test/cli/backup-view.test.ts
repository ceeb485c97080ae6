import { describe, expect, it } from "vitest";
import { backupLines, wayBackLines } from "../../src/cli/backup-view.js";

describe("what is told of a backup", () => {
  it("names the file, and how to import it", () => {
    expect(backupLines("/lab/it's.json")).toEqual(["The registry as it was before is kept in /lab/it's.json"]);
    expect(wayBackLines("/lab/a b.json", "/lab/r.json")).toEqual([
      "To bring them back: namehold -r /lab/r.json import '/lab/a b.json'",
    ]);
  });

  it("shows no password that was given with the location", () => {
    const lines = (location: string) => wayBackLines("x", location);
    const command = "To bring them back: x | namehold -r etcd://h/lab import --force -";
    expect(lines("etcd://me:s3cret@h/lab")).toEqual([command]);
    expect(lines("postgres://me:s3cret@h/db?schema=a&password=s3cret")).toEqual([
      "To bring them back: x | namehold -r 'postgres://h/db?schema=a' import --force -",
    ]);
  });

  it("gives the commands where a database keeps it, one a step", () => {
    expect(wayBackLines("psql -c 'x'", undefined)).toEqual([
      "To bring them back: psql -c 'x' | namehold import --force -",
    ]);
    expect(backupLines("etcdctl get a\netcdctl get b")).toEqual([
      "What was there before is kept in the registry's engine, and printed by:",
      "  etcdctl get a",
      "  etcdctl get b",
    ]);
    expect(wayBackLines("etcdctl get a\netcdctl get b", "etcd://h/lab")).toEqual([
      "To bring them back:",
      "  etcdctl get a | namehold -r etcd://h/lab import --force -",
      "  etcdctl get b | namehold -r etcd://h/lab import --force -",
    ]);
  });
});
