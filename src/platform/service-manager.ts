import { host } from "./host.js";

/** What sd_notify(3) knows. */
export type ServiceState = "READY=1" | "STOPPING=1";

/**
 * Tells the service manager that has started this process how it stands, where one has asked for it by NOTIFY_SOCKET.
 * Never waits, and never fails.
 *
 * @param status one line for people
 */
export function tellServiceManager(status: string, ...states: readonly ServiceState[]): void {
  const socket = process.env["NOTIFY_SOCKET"];
  if (socket === undefined || socket === "") return;
  try {
    host().sendDatagram?.(socket, [...states, `STATUS=${status.replaceAll("\n", " ")}`].join("\n"));
  } catch {
    // Whether anybody hears it must not matter to what is told.
  }
}
