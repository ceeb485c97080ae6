import { expect, test } from "vitest";
import { parseStatfs } from "../../src/platform/darwin/file-systems.js";
import { parseProcesses } from "../../src/platform/darwin/process-table.js";

/** What can be said of the branch for macOS on another system: how it reads what macOS writes. */

const LISTING = `    1     0     1 Ss   Mon Nov 17 08:00:01 2025 /sbin/launchd
  612   611   612 S+   Sun Nov 23 09:05:07 2025 node robot.js a=b PATH=/bin NAMEHOLD_CHAIN=01A/7 01B/8 HOME=/Users/x
  613   612   612 Z    Sun Nov 23 09:05:08 2025 (node)
`;

test("a line of macOS's ps is a process, with parent, group, session and the second of its start", () => {
  const { processes } = parseProcesses(LISTING, (pid) => pid * 10);
  expect(processes).toEqual([
    { pid: 1, parent: 0, group: 1, session: 10, ended: false, startTicks: Date.UTC(2025, 10, 17, 8, 0, 1) },
    { pid: 612, parent: 611, group: 612, session: 6120, ended: false, startTicks: Date.UTC(2025, 10, 23, 9, 5, 7) },
    { pid: 613, parent: 612, group: 612, session: 6130, ended: true, startTicks: Date.UTC(2025, 10, 23, 9, 5, 8) },
  ]);
});

test("macOS's ps does not list itself: it is a child of who asked, and would be another at each look", () => {
  const { processes } = parseProcesses(LISTING, () => 0, 612);
  expect([...processes].map(({ pid }) => pid)).toEqual([1, 613]);
});

test("a variable of a process is found in what macOS's ps adds to its command, spaces included", () => {
  const listing = parseProcesses(LISTING, () => 0);
  expect(listing.variable(612, "NAMEHOLD_CHAIN")).toBe("01A/7 01B/8");
  expect(listing.variable(612, "HOME")).toBe("/Users/x");
  expect(listing.variable(612, "CHAIN")).toBeUndefined();
  expect(listing.variable(1, "NAMEHOLD_CHAIN")).toBeUndefined();
  expect(listing.variable(99, "NAMEHOLD_CHAIN")).toBeUndefined();
});

test.each([
  ["apfs", 0x1000, true],
  ["hfs", 0x1001, true],
  ["apfs", 0, false],
  ["smbfs", 0, false],
  ["msdos", 0x1000, false],
  ["", 0x1000, false],
])("macOS's file system '%s' with flags %i is local: %s [G7]", (name, flags, isLocal) => {
  const statfs = Buffer.alloc(2168);
  statfs.writeUInt32LE(flags, 64);
  statfs.write(name, 72, "latin1");
  expect(parseStatfs(statfs)).toEqual({ name, isLocal });
});
