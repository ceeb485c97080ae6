import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { endOf, KeySpace, nameAfter } from "../../../src/stores/etcd/keys.js";

const keys = new KeySpace("/lab");
/** Any string of JavaScript, lone surrogates too. */
const anyName = fc
  .string({ unit: "binary" })
  .chain((text) => fc.constantFrom(text, `${text}\ud800`, `\udc00${text}`, `${text}"/`, `${text}\\`, `${text}\0`));

function bytes(key: string): string {
  return Buffer.from(key, "utf8").toString("hex");
}

describe("keys in etcd", () => {
  it("tell any two names apart, as bytes too, and give the name back", () => {
    fc.assert(
      fc.property(anyName, anyName, (a, b) => {
        expect(bytes(keys.name(a)) === bytes(keys.name(b))).toBe(a === b);
        expect(keys.nameIn(Buffer.from(keys.name(a), "utf8").toString("utf8"))).toBe(a);
        expect(keys.nameIn(keys.ticket(a, b))).toBe(a);
        const lock = { life: 1, token: 2 };
        expect(nameAfter(keys.keptBy(lock), keys.kept(lock, a))).toBe(a);
      }),
    );
  });

  it("keep the queue of a name apart from all other names' queues", () => {
    fc.assert(
      fc.property(anyName, anyName, anyName, (a, b, ticket) => {
        const start = keys.queue(a);
        const key = keys.ticket(b, ticket);
        const isInRange =
          Buffer.compare(Buffer.from(key), Buffer.from(start)) >= 0 &&
          Buffer.compare(Buffer.from(key), Buffer.from(endOf(start))) < 0;
        expect(isInRange).toBe(a === b);
      }),
    );
  });
});
