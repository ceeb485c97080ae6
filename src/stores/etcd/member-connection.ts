import { type ClientRequest, type IncomingMessage, Agent as PlainAgent, request as plainRequest } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import type { Clock } from "../../core/timing.js";

/** One member's address, and how to trust it. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** PEM texts. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface MemberAnswer {
  readonly status: number;
  readonly text: string;
}

export interface Call {
  readonly path: string;
  readonly body: string;
  readonly token: string | undefined;
  readonly timeoutMs: number;
}

/** Why there is no answer. */
export class NoAnswer extends Error {
  /** Whether the member may have been asked, and so may have acted. */
  readonly wasSent: boolean;

  constructor(message: string, wasSent: boolean, cause?: unknown) {
    super(message, { cause });
    this.wasSent = wasSent;
  }
}

/** Whoever reads thousands of names at once waits for a connection. */
const POOL = { keepAlive: true, maxSockets: 64 };

/** The member has more to say than is taken in one answer. */
export class AnswerTooLong extends Error {}

/** Longer than any transaction's. A page of names may be asked for in smaller ones. */
const ANSWER_BYTES_MAX = 64 * 2 ** 20;

/**
 * HTTP with one member of the cluster. Not `fetch`: that takes no client certificates, and cannot throw away a connection
 * on which nothing comes back.
 */
export class MemberConnection {
  readonly endpoint: Endpoint;
  readonly #clock: Clock;
  readonly #tls: TlsMaterial | undefined;
  readonly #agent: PlainAgent | SecureAgent;
  readonly #request: typeof plainRequest;

  constructor(endpoint: Endpoint, tls: TlsMaterial | undefined, clock: Clock) {
    this.endpoint = endpoint;
    this.#clock = clock;
    this.#tls = tls;
    this.#agent = tls === undefined ? new PlainAgent(POOL) : new SecureAgent({ ...POOL, ...tls });
    this.#request = tls === undefined ? plainRequest : secureRequest;
  }

  /** @throws NoAnswer */
  call({ timeoutMs, ...call }: Call): Promise<MemberAnswer> {
    return new Promise((resolve, reject) => {
      const sent = this.#send(call, "POST");
      const fail = (error: unknown): void => {
        timer.cancel();
        sent.destroy();
        reject(noAnswer(error, sent));
      };
      const timer = this.#clock.setTimer(timeoutMs, () => fail(new Error(`no answer within ${timeoutMs} ms`)));
      sent.on("error", fail);
      sent.on("response", (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > ANSWER_BYTES_MAX) fail(new AnswerTooLong(`an answer of more than ${ANSWER_BYTES_MAX} bytes`));
        });
        response.on("error", fail);
        response.on("aborted", () => fail(new Error("the connection was closed in the middle of the answer")));
        response.on("end", () => {
          timer.cancel();
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") });
        });
      });
    });
  }

  /** An answer that goes on and on. It never keeps the process alive. @throws NoAnswer when it does not begin in time */
  open({ timeoutMs, ...call }: Call): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = this.#send(call, "POST", false);
      const fail = (error: unknown): void => {
        timer.cancel();
        sent.destroy();
        reject(noAnswer(error, sent));
      };
      const timer = this.#clock.setTimer(timeoutMs, () => fail(new Error(`no answer within ${timeoutMs} ms`)));
      sent.on("error", fail);
      sent.on("response", (response) => {
        timer.cancel();
        response.socket.unref();
        resolve(response);
      });
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #send({ path, body, token }: Omit<Call, "timeoutMs">, method: string, isPooled = true): ClientRequest {
    const { host, port } = this.endpoint;
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      ...(token === undefined || token === "" ? {} : { authorization: token }),
    };
    // A stream has a connection of its own: it is never given back.
    const agent = isPooled ? this.#agent : false;
    const sent = this.#request({ ...this.#tls, host, port, method, path, headers, agent });
    sent.setNoDelay(true);
    sent.end(body);
    return sent;
  }
}

/** Nothing was sent on a connection that never came about. */
function noAnswer(error: unknown, { socket, reusedSocket }: ClientRequest): NoAnswer | AnswerTooLong {
  if (error instanceof AnswerTooLong) return error;
  const isConnected =
    reusedSocket || (socket !== null && socket !== undefined && !socket.connecting && socket.bytesWritten > 0);
  return new NoAnswer(error instanceof Error ? error.message : String(error), isConnected, error);
}
