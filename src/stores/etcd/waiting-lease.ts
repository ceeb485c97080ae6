import { type Clock, later, type MonotonicMs, type Timer } from "../../core/timing.js";
import { type EtcdClient, isUnreachable } from "./etcd-client.js";
import { type Lease, startLease } from "./own-life.js";

const RENEWALS_PER_TTL = 3;

/**
 * The lease that this process's places in queues end with. It is kept alive as long as somebody waits, whether or not the
 * process holds anything; of a process that is gone, the places go with it. It may be prolonged, unlike a life: at stake
 * is a turn, and no lock.
 */
export class WaitingLease {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #tickets = new Set<string>();
  #lease: (Lease & { readonly seconds: number }) | undefined;
  #renewedAt: MonotonicMs | undefined;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(client: EtcdClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** @param ttlMs how long a place may outlive its process */
  async id(ttlMs: number): Promise<string> {
    let lease = this.#lease;
    if (lease === undefined || this.#isLate(lease.seconds)) {
      const seconds = Math.ceil(ttlMs / 1_000);
      lease = { ...startLease(this.#client, this.#clock, seconds), seconds };
      this.#lease = lease;
      this.#renewedAt = lease.sentAt;
    }
    try {
      // Whoever has asked for it: see `withLease`.
      await lease.granted;
    } catch (error) {
      if (this.#lease === lease) this.forget();
      throw error;
    }
    return lease.id;
  }

  /** Somebody waits with this ticket. */
  keep(ticket: string): void {
    this.#tickets.add(ticket);
    this.#schedule();
  }

  release(ticket: string): void {
    this.#tickets.delete(ticket);
  }

  /** It is gone: the next who waits gets another. */
  forget(): void {
    this.#lease = undefined;
    this.#renewedAt = undefined;
  }

  /** Those who wait lose their places now. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    const lease = this.#lease;
    this.forget();
    if (lease !== undefined && this.#tickets.size > 0) await this.#client.revokeLease(lease.id);
  }

  #isLate(seconds: number): boolean {
    return this.#renewedAt === undefined || this.#clock.monotonicMs() >= later(this.#renewedAt, (seconds * 1_000) / 2);
  }

  #schedule(): void {
    const lease = this.#lease;
    if (this.#timer !== undefined || lease === undefined || this.#isClosed) return;
    const renew = (): void => {
      this.#timer = undefined;
      void this.#renew(lease.id);
    };
    this.#timer = this.#clock.setTimer((lease.seconds * 1_000) / RENEWALS_PER_TTL, renew, { background: true });
  }

  async #renew(id: string): Promise<void> {
    if (this.#tickets.size === 0 || this.#lease?.id !== id) return;
    const sentAt = this.#clock.monotonicMs();
    try {
      if (await this.#client.keepAlive(id)) this.#renewedAt = sentAt;
      else this.forget();
    } catch (error) {
      // Whoever waits looks at the queue now and then, and joins it anew when his place is gone.
      if (!isUnreachable(error)) this.forget();
    }
    this.#schedule();
  }
}
