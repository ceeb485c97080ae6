import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OwnLocks } from "../../../src/stores/records/own-locks.js";

const aName = fc.constantFrom<string>("a", "b", "c", "d", "e", "f");
const locks = fc.uniqueArray(fc.tuple(aName, fc.nat(2), fc.boolean()), { selector: ([name]) => name });
const asked = fc.uniqueArray(fc.tuple(aName, fc.nat(2)), { selector: ([name]) => name });

describe("a holder's locks beside the names of a heartbeat", () => {
  it("are compared rightly, in whatever order either stands", () => {
    fc.assert(
      fc.property(locks, asked, (known, names) => {
        const own = new OwnLocks();
        for (const [name, token, follows] of known) own.put(name, { token, follows });
        const named = new Map<string, number>(names);
        const { resumed, dropped, unknown } = own.compare(named);
        const isNamed = ([name, token]: readonly [string, number, boolean]): boolean => named.get(name) === token;
        expect(resumed.toSorted()).toEqual(
          known
            .filter((lock) => isNamed(lock) && !lock[2])
            .map(([name]) => name)
            .toSorted(),
        );
        expect(dropped.toSorted()).toEqual(
          known
            .filter((lock) => !isNamed(lock) && lock[2])
            .map(([name]) => name)
            .toSorted(),
        );
        const isKnown = ([name, token]: readonly [string, number]): boolean =>
          known.some((lock) => lock[0] === name && lock[1] === token);
        expect(unknown.toSorted()).toEqual(
          names
            .filter((one) => !isKnown(one))
            .map(([name]) => name)
            .toSorted(),
        );
      }),
    );
  });

  it("are counted rightly after they were put, replaced and forgotten", () => {
    const own = new OwnLocks();
    own.put("a", { token: 1, follows: true });
    own.put("a", { token: 2, follows: false });
    own.put("b", { token: 3, follows: true });
    own.put("b", undefined);
    own.put("b", undefined);
    expect(own.size).toBe(1);
    expect(own.compare(new Map())).toEqual({ resumed: [], dropped: [], unknown: [] });
    own.clear();
    own.put("c", { token: 4, follows: true });
    expect(own.compare(new Map()).dropped).toEqual(["c"]);
  });
});
