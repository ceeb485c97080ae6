import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EtcdStore } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";

const EXTENSIONS = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n";

/** A certificate authority of its own, and a certificate by it for servers and clients. */
async function makeCertificates(directory: string): Promise<void> {
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: directory, stdio: "ignore" });
  };
  await writeFile(join(directory, "extensions"), EXTENSIONS);
  const key = ["-newkey", "rsa:2048", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=lab", "-days", "2");
  openssl("req", ...key, "-keyout", "one.key", "-out", "one.csr", "-subj", "/CN=one");
  const signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-days", "2"];
  openssl("x509", "-req", "-in", "one.csr", "-out", "one.pem", ...signing);
}

describe("etcd with TLS and client certificates", () => {
  it("is used with them, and unreachable without [G11]", async () => {
    const directory = await mkdtemp(join(tmpdir(), "namehold-tls-"));
    try {
      await makeCertificates(directory);
      const [ca, cert, key] = ["ca.pem", "one.pem", "one.key"].map((name) => join(directory, name));
      const server = ["--cert-file", cert, "--key-file", key, "--trusted-ca-file", ca, "--client-cert-auth"];
      await using cluster = await EtcdCluster.start(1, server as string[], "https");
      const texts = await Promise.all([ca, cert, key].map((path) => readFile(path ?? "", "utf8")));
      const tls = { ca: texts[0] ?? "", cert: texts[1] ?? "", key: texts[2] ?? "" };
      const holder = { instance: "one", pid: 1, host: "h", ttlMs: 10_000 };
      const write = { id: "01JQ0000000000000000000000", componentType: "node", lock: { kind: "grant" } } as const;
      const store = new EtcdStore({ endpoints: cluster.endpoints, tls });
      const part = { kind: "put", name: "arm", expect: "absent", write } as const;
      expect((await store.commit({ holder, parts: [part] })).kind).toBe("done");
      const watch = store.watch({ signal: AbortSignal.timeout(10_000) })[Symbol.asyncIterator]();
      expect((await watch.next()).value).toBeNull();
      await store.close();
      for (const less of [{ ca: tls.ca }, {}]) {
        const stranger = new EtcdStore({ endpoints: cluster.endpoints, tls: less, timeoutMs: 2_000 });
        await expect(stranger.read("arm")).rejects.toMatchObject({ code: "unreachable" });
        await stranger.close();
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
