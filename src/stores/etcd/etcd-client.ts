import type { IncomingMessage } from "node:http";
import { NameholdError, RegistryError } from "../../core/errors.js";
import { type Clock, later, type MonotonicMs } from "../../core/timing.js";
import { EtcdFault, faultIn, isLeaseThere, isRefusal, refusalError, wantsToken } from "./etcd-fault.js";
import { type Endpoint, MemberConnection, NoAnswer, type TlsMaterial } from "./member-connection.js";
import {
  type Guard,
  type Op,
  type Ranged,
  type RangeOptions,
  type RawHeader,
  type RawRange,
  type RawTxn,
  range,
  readRange,
  readTxn,
  type TxnResult,
} from "./wire.js";

export interface EtcdAccess {
  readonly endpoints: readonly Endpoint[];
  /** Undefined: plain HTTP. */
  readonly tls?: TlsMaterial;
  readonly user?: string;
  readonly password?: string;
}

/** The write was sent, and whether it was made is not known. */
export class OutcomeUnknown extends Error {}

type Raw = { readonly header?: RawHeader };

/** No single member is waited for longer than this part of an operation's time, so that another's turn comes. */
const TURNS = 2;
const ROUND_PAUSE_MS = 100;

/**
 * A client of etcd's JSON gateway (3.4 and later): members are asked in turn until one answers, and that one is asked
 * first from then on. What was sent as a write and not answered is never sent again.
 *
 * Nothing that it throws has user, password or token in it.
 */
export class EtcdClient {
  /** The addresses, for people. */
  readonly location: string;
  readonly timeoutMs: number;
  /** Called with the head of each answer about keys, and the greatest revision that was known before it was asked for. */
  onHeader: (header: RawHeader, knownBefore: number) => void = () => undefined;
  readonly #clock: Clock;
  readonly #access: EtcdAccess;
  readonly #members: readonly MemberConnection[];
  #current = 0;
  #token: string | undefined;
  #tokenComing: Promise<void> | undefined;
  #revision = 0;

  constructor(access: EtcdAccess, clock: Clock, timeoutMs: number) {
    this.location = access.endpoints.map(({ host, port }) => `${bracketed(host)}:${port}`).join(",");
    this.timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#access = access;
    this.#members = access.endpoints.map((endpoint) => new MemberConnection(endpoint, access.tls, clock));
  }

  get isSecure(): boolean {
    return this.#access.tls !== undefined;
  }

  get members(): readonly Endpoint[] {
    return this.#access.endpoints;
  }

  /** The greatest that is known. */
  get revision(): number {
    return this.#revision;
  }

  /** Linearizable, all ranges at one revision. */
  async ranges(ops: readonly Op[]): Promise<TxnResult> {
    return readTxn((await this.#ask("/v3/kv/txn", { success: ops }, "read")) as RawTxn);
  }

  async range(key: string, options: RangeOptions = {}): Promise<Ranged> {
    const { request_range } = range(key, options);
    return readRange((await this.#ask("/v3/kv/range", request_range ?? {}, "read")) as RawRange);
  }

  /**
   * @throws OutcomeUnknown
   * @throws EtcdFault a missing lease, for the caller to deal with
   */
  async txn(compare: readonly Guard[], success: readonly Op[], failure: readonly Op[] = []): Promise<TxnResult> {
    return readTxn((await this.#ask("/v3/kv/txn", { compare, success, failure }, "write")) as RawTxn);
  }

  /** A lease with an ID of the caller's, so that he need not wait for it. */
  async grantLease(id: string, ttlSeconds: number): Promise<void> {
    try {
      await this.#ask("/v3/lease/grant", { ID: id, TTL: String(ttlSeconds) }, "read");
    } catch (error) {
      // Asked for again after an answer that was lost.
      if (!isLeaseThere(error)) throw error;
    }
  }

  /** @returns how many seconds one lasts at least, however short it was asked for */
  async shortestLease(id: string): Promise<number> {
    const answer = (await this.#ask("/v3/lease/grant", { ID: id, TTL: "1" }, "read")) as { readonly TTL?: string };
    await this.revokeLease(id);
    return Number(answer.TTL ?? 0);
  }

  /** @returns false when it is gone */
  async keepAlive(id: string): Promise<boolean> {
    const answer = (await this.#ask("/v3/lease/keepalive", { ID: id }, "read")) as { result?: { TTL?: string } };
    return Number(answer.result?.TTL ?? 0) > 0;
  }

  async revokeLease(id: string): Promise<void> {
    await this.#ask("/v3/lease/revoke", { ID: id }, "write");
  }

  /** One request to one member, as it is, for the doctor. @throws NoAnswer, EtcdFault */
  askMember(index: number, path: string, body: object): Promise<unknown> {
    const member = this.#members[index];
    if (member === undefined) throw new Error(`there is no member ${index}`);
    return this.#askOne(member, path, JSON.stringify(body), this.timeoutMs);
  }

  /** A stream of answers from whichever member begins one. */
  async open(path: string, body: string): Promise<IncomingMessage> {
    const deadline = later(this.#clock.monotonicMs(), this.timeoutMs);
    return this.#inTurn(deadline, "read", async (member, timeoutMs) => {
      await this.#authenticate(timeoutMs);
      const response = await member.open({ path, body, token: this.#token, timeoutMs });
      if (response.statusCode === 200) return response;
      response.destroy();
      throw faultIn(response.statusCode ?? 0, "");
    });
  }

  /** The next request goes to another member first: this one does not do what it should. */
  turnAway(): void {
    this.#current = (this.#current + 1) % this.#members.length;
  }

  /** The next request asks for another, where there is a user. */
  forgetToken(): void {
    this.#token = undefined;
  }

  close(): void {
    for (const member of this.#members) member.close();
  }

  async #ask(path: string, body: object, mode: "read" | "write"): Promise<unknown> {
    const knownBefore = this.#revision;
    const deadline = later(this.#clock.monotonicMs(), this.timeoutMs);
    const text = JSON.stringify(body);
    const answer = await this.#inTurn(deadline, mode, (member, timeoutMs) =>
      this.#askOne(member, path, text, timeoutMs),
    );
    const { header } = answer as Raw;
    if (header !== undefined && path.startsWith("/v3/kv/")) {
      this.#revision = Math.max(this.#revision, Number(header.revision ?? 0));
      this.onHeader(header, knownBefore);
    }
    return answer;
  }

  /** The revisions of another history say nothing. */
  forgetRevision(): void {
    this.#revision = 0;
  }

  async #askOne(member: MemberConnection, path: string, body: string, timeoutMs: number): Promise<unknown> {
    for (let attempt = 0; ; attempt += 1) {
      await this.#authenticate(timeoutMs);
      const token = this.#token;
      const { status, text } = await member.call({ path, body, token, timeoutMs });
      if (status === 200) return JSON.parse(text) as unknown;
      const fault = faultIn(status, text);
      const mayHelp = attempt === 0 && this.#access.user !== undefined && wantsToken(fault);
      if (!mayHelp) throw fault;
      if (this.#token === token) this.#token = undefined;
    }
  }

  /** @throws RegistryError `unreachable`; OutcomeUnknown; EtcdFault when it refuses, as a NameholdError where it is final */
  async #inTurn<T>(
    deadline: MonotonicMs,
    mode: "read" | "write",
    act: (member: MemberConnection, timeoutMs: number) => Promise<T>,
  ): Promise<T> {
    const turnMs = this.#members.length === 1 ? this.timeoutMs : this.timeoutMs / TURNS;
    const failures: string[] = [];
    let hasLived = false;
    for (let turn = 0; ; turn += 1) {
      const index = this.#current;
      const member = this.#members[index] as MemberConnection;
      const leftMs = deadline - this.#clock.monotonicMs();
      try {
        return await act(member, Math.max(1, Math.min(turnMs, leftMs)));
      } catch (error) {
        if (error instanceof EtcdFault && isRefusal(error)) throw this.#final(error);
        if (!(error instanceof EtcdFault || error instanceof NoAnswer)) throw error;
        if (this.#current === index) this.turnAway();
        const { host, port } = member.endpoint;
        failures.push(`${bracketed(host)}:${port}: ${error.message}`);
        const mayHaveActed = error instanceof EtcdFault || error.wasSent;
        if (mode === "write" && mayHaveActed) throw new OutcomeUnknown(failures.join("; "), { cause: error });
        hasLived ||= error instanceof EtcdFault;
        if (this.#clock.monotonicMs() >= deadline) throw this.#unreachable(failures, error);
        if ((turn + 1) % this.#members.length !== 0) continue;
        // Where a member answers, a leader may be about to be elected; where none does, that is the answer.
        if (!hasLived) throw this.#unreachable(failures, error);
        await new Promise<void>((resolve) => this.#clock.setTimer(ROUND_PAUSE_MS, resolve));
      }
    }
  }

  #final(fault: EtcdFault): Error {
    // What the caller has an answer to.
    if (/requested lease not found|lease already exists|authentication is not enabled/.test(fault.message))
      return fault;
    return refusalError(fault, this.location);
  }

  #unreachable(failures: readonly string[], cause: unknown): RegistryError {
    return new RegistryError(
      "unreachable",
      `etcd cannot be reached at ${this.location} (${[...new Set(failures)].join("; ")}). Check the network and that a majority of its members runs; then try again.`,
      { cause },
    );
  }

  async #authenticate(timeoutMs: number): Promise<void> {
    if (this.#access.user === undefined || this.#token !== undefined) return;
    this.#tokenComing ??= this.#fetchToken(timeoutMs).finally(() => {
      this.#tokenComing = undefined;
    });
    await this.#tokenComing;
  }

  async #fetchToken(timeoutMs: number): Promise<void> {
    const { user: name, password } = this.#access;
    const member = this.#members[this.#current] as MemberConnection;
    const body = JSON.stringify({ name, password });
    const { status, text } = await member.call({ path: "/v3/auth/authenticate", body, token: undefined, timeoutMs });
    if (status === 200) {
      this.#token = (JSON.parse(text) as { token?: string }).token;
      return;
    }
    const fault = faultIn(status, text);
    // It may be enabled later: then the next request tells.
    if (/authentication is not enabled/.test(fault.message)) {
      this.#token = "";
      return;
    }
    throw isRefusal(fault) ? refusalError(fault, this.location) : fault;
  }
}

export function isUnreachable(error: unknown): boolean {
  return error instanceof OutcomeUnknown || (error instanceof NameholdError && error.code === "unreachable");
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
