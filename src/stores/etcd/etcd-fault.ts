/** What etcd says when it does not do what it was asked. */
import { NameholdError, RegistryError } from "../../core/errors.js";

export class EtcdFault extends Error {
  /** A gRPC status. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const CODES = {
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unauthenticated: 16,
} as const;

/** With these, nothing was done. Anything else may have been. */
const REFUSALS: ReadonlySet<number> = new Set(Object.values(CODES));

/** @param text the body of an answer that is no success */
export function faultIn(status: number, text: string): EtcdFault {
  try {
    const { code, message, error } = JSON.parse(text) as { code?: number; message?: string; error?: unknown };
    const said = message ?? (typeof error === "string" ? error : undefined);
    if (said !== undefined) return new EtcdFault(code ?? 2, said);
  } catch {
    // Not etcd, or something in between: what it says is no more than a part of the message.
  }
  return new EtcdFault(2, `HTTP status ${status}: ${text.slice(0, 200).trim()}`);
}

/** Whether the request was certainly not carried out, whichever member is asked. */
export function isRefusal({ code, message }: EtcdFault): boolean {
  return REFUSALS.has(code) && !/too many requests/.test(message);
}

/** A token that is not valid any more, or none where one is needed. */
export function wantsToken({ message }: EtcdFault): boolean {
  return /invalid auth token|revision of auth store is old|user name is empty/.test(message);
}

export function isLeaseMissing(error: unknown): boolean {
  return error instanceof EtcdFault && /requested lease not found/.test(error.message);
}

export function isLeaseThere(error: unknown): boolean {
  return error instanceof EtcdFault && /lease already exists/.test(error.message);
}

/** A refusal, for people. */
export function refusalError(fault: EtcdFault, location: string): NameholdError {
  const { code, message } = fault;
  const said = `etcd at ${location} says: ${message}.`;
  const options = { cause: fault };
  if (/user name is empty|invalid auth token/.test(message)) {
    return new NameholdError(
      "invalid-input",
      `etcd at ${location} asks for a user and a password. Give them in NAMEHOLD_ETCD_USER and NAMEHOLD_ETCD_PASSWORD.`,
      options,
    );
  }
  if (/authentication failed/.test(message)) {
    return new NameholdError(
      "invalid-input",
      `etcd at ${location} does not accept the user and password that were given. Check them.`,
      options,
    );
  }
  if (code === CODES.permissionDenied) {
    const remedy = "Grant its role read and write on that prefix (etcdctl role grant-permission --prefix=true).";
    return new RegistryError("read-only", `The user may not do that in etcd at ${location}. ${remedy}`, options);
  }
  if (/database space exceeded/.test(message)) {
    const remedy =
      "Compact, defragment and disarm the alarm (etcdctl compact, defrag, alarm disarm), or raise its quota.";
    return new RegistryError("storage-failed", `The space of etcd at ${location} is used up. ${remedy}`, options);
  }
  if (/request is too large|trying to send message larger/.test(message)) {
    return new NameholdError(
      "invalid-input",
      `The change is too large for etcd at ${location} (${message}). Make metadata smaller, or change fewer names at once.`,
      options,
    );
  }
  if (/too many operations/.test(message)) {
    return new NameholdError(
      "invalid-input",
      `The change has too many parts for etcd at ${location} (--max-txn-ops). Change fewer names at once.`,
      options,
    );
  }
  return new RegistryError("storage-failed", said, options);
}
