import { describe, expect, it } from "vitest";
import { NameholdError } from "../../src/core/errors.js";
import { parseEtcdLocation } from "../../src/registry/etcd-location.js";

const FILES: Record<string, string> = { "/ca.pem": "CA", "/me.pem": "CERT", "/me.key": "KEY" };

function parse(location: string, env: Record<string, string> = {}) {
  return parseEtcdLocation(location, {
    env,
    readText: (path) => {
      const text = FILES[path];
      if (text === undefined) throw new Error(`ENOENT ${path}`);
      return text;
    },
  });
}

function refusal(location: string, env: Record<string, string> = {}): NameholdError {
  try {
    parse(location, env);
  } catch (error) {
    expect(error).toBeInstanceOf(NameholdError);
    return error as NameholdError;
  }
  throw new Error("it should be refused");
}

describe("an etcd: location", () => {
  it("names hosts, ports and a prefix", () => {
    expect(parse("etcd://a,b:1234,[::1]:5/lab%201/x")).toEqual({
      endpoints: [
        { host: "a", port: 2379 },
        { host: "b", port: 1234 },
        { host: "::1", port: 5 },
      ],
      prefix: "/lab 1/x",
    });
    expect(parse("etcd://a/")).toEqual({ endpoints: [{ host: "a", port: 2379 }] });
  });

  it("takes certificates from files that it or the environment names", () => {
    const tls = { ca: "CA", cert: "CERT", key: "KEY" };
    expect(parse("etcd://a?ca=/ca.pem&cert=/me.pem&key=/me.key").tls).toEqual(tls);
    const env = { ETCDCTL_CACERT: "/nowhere", NAMEHOLD_ETCD_CACERT: "/ca.pem", ETCDCTL_CERT: "/me.pem" };
    expect(parse("etcd://a", { ...env, ETCDCTL_KEY: "/me.key" }).tls).toEqual(tls);
    expect(parse("etcd://a?tls=true").tls).toEqual({});
    expect(parse("etcd://a?tls=false", { ETCDCTL_CACERT: "/ca.pem" }).tls).toBeUndefined();
  });

  it("takes user and password from the environment or from itself", () => {
    const known = { user: "u", password: "p:w" };
    expect(parse("etcd://a", { NAMEHOLD_ETCD_USER: "u", NAMEHOLD_ETCD_PASSWORD: "p:w" })).toMatchObject(known);
    expect(parse("etcd://a", { ETCDCTL_USER: "u:p:w" })).toMatchObject(known);
    expect(parse("etcd://u:p%3Aw@a", { ETCDCTL_USER: "other:x" })).toMatchObject(known);
  });

  it("is refused with what is wrong, and never shows a password [G11]", () => {
    const wrong = [
      "etcd://user:s3cret@/x",
      "etcd://user:s3cret@a:99999",
      "etcd://user:s3cret@a?colour=red",
      "etcd://user:s3cret@a?tls=maybe",
      "etcd://user:s3cret@a?ca=/missing",
      "etcd://user:s3cret@a?cert=/me.pem",
      "etcd://user:s3cret%@a",
      "etcd:user:s3cret@a",
    ];
    for (const location of wrong) {
      const error = refusal(location);
      expect(error.code).toBe("invalid-input");
      expect(`${error.message} ${String(error.cause)} ${error.stack}`).not.toContain("s3cret");
    }
    expect(refusal("etcd://user@a").message).toContain("NAMEHOLD_ETCD_PASSWORD");
  });
});
