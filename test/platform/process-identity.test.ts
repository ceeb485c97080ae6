import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { hostName, isUlid, newUlid } from "../../src/platform/process-identity.js";

describe("a new ULID", () => {
  it("is valid, different from all others, and sorts after them [G1]", () => {
    const ulids = Array.from({ length: 2_000 }, newUlid);
    expect(ulids.every(isUlid)).toBe(true);
    expect(new Set(ulids).size).toBe(ulids.length);
    expect(ulids).toEqual(ulids.toSorted());
  });

  it("is upper case, of 26 characters, and no larger than 128 bits", () => {
    expect(isUlid("01ARZ3NDEKTSV4RRFFQ69G5FAV")).toBe(true);
    for (const other of [
      "01arz3ndektsv4rrffq69g5fav",
      "81ARZ3NDEKTSV4RRFFQ69G5FAV",
      "01ARZ3NDEKTSV4RRFFQ69G5FAV\n",
      "",
    ]) {
      expect(isUlid(other)).toBe(false);
    }
  });
});

it("the host name is the one that Python tells", () => {
  expect(hostName()).toBe(hostname());
});
