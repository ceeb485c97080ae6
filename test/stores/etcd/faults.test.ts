import { describe, expect, it } from "vitest";
import { faultIn, isRefusal, refusalError, wantsToken } from "../../../src/stores/etcd/etcd-fault.js";

describe("what etcd says when it refuses", () => {
  it("is told apart from what leaves an outcome open [G11]", () => {
    const refused = ["permission denied", "request is too large"].map((message, i) =>
      faultIn(400, JSON.stringify({ message: `etcdserver: ${message}`, code: i === 0 ? 7 : 3 })),
    );
    for (const fault of refused) expect(isRefusal(fault)).toBe(true);
    for (const text of ['{"message":"etcdserver: request timed out","code":14}', "<html>502</html>", ""]) {
      expect(isRefusal(faultIn(503, text))).toBe(false);
    }
  });

  it("has its own code and remedy [G11]", () => {
    const codes = {
      "etcdserver: permission denied": "read-only",
      "etcdserver: mvcc: database space exceeded": "storage-failed",
      "etcdserver: request is too large": "invalid-input",
      "etcdserver: too many operations in txn request": "invalid-input",
      "etcdserver: user name is empty": "invalid-input",
    };
    for (const [message, code] of Object.entries(codes)) {
      const fault = faultIn(400, JSON.stringify({ message, code: message.includes("permission") ? 7 : 3 }));
      expect(refusalError(fault, "h:2379").code).toBe(code);
    }
    expect(wantsToken(faultIn(401, '{"message":"etcdserver: invalid auth token","code":16}'))).toBe(true);
  });
});
