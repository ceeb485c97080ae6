import type { Start } from "./server.ts";
import { findProgram, freePort, startServer, versionOf } from "./server-process.ts";

export const startEtcd: Start = async (directory) => {
  const file = findProgram("etcd");
  if (file === undefined) return { missing: "etcd is not installed: apt-get install etcd-server" };
  const [client, peer] = [await freePort(), await freePort()];
  const [clientUrl, peerUrl] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
  const server = await startServer({
    file,
    args: [
      ...["--name", "bench", "--data-dir", `${directory}/data`],
      ...["--listen-client-urls", clientUrl, "--advertise-client-urls", clientUrl],
      ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
      ...["--initial-cluster", `bench=${peerUrl}`, "--log-level", "error"],
    ],
    cwd: directory,
    port: client,
  });
  return {
    url: clientUrl,
    version: versionOf(file),
    settings: "one member, its defaults (its log is synced at each write)",
    pid: server.pid,
    stop: () => server.stop(),
  };
};
