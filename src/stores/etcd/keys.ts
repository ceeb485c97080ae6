/**
 * Where things stand in etcd. Names and other strings of callers are written as JSON: any string of JavaScript has one, no
 * two share one, it is readable with etcdctl, and none is the beginning of another's.
 */
export class KeySpace {
  /** Ends with a slash. */
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix.endsWith("/") ? prefix : `${prefix}/`;
  }

  /** The greatest token of names that are gone, or of another store. */
  get floor(): string {
    return `${this.prefix}floor`;
  }

  /** There while names are held back after a restored backup was noticed. */
  get recovery(): string {
    return `${this.prefix}recovery`;
  }

  get names(): string {
    return `${this.prefix}names/`;
  }

  get holds(): string {
    return `${this.prefix}holds/`;
  }

  get backups(): string {
    return `${this.prefix}backups/`;
  }

  get queues(): string {
    return `${this.prefix}queue/`;
  }

  name(name: string): string {
    return this.names + JSON.stringify(name);
  }

  /** The name that a key among the names or their queues is about; undefined for any other key. */
  nameIn(key: string): string | undefined {
    const start = [this.names, this.queues].find((one) => key.startsWith(one));
    const text = start === undefined ? undefined : /^"(?:[^"\\]|\\.)*"/s.exec(key.slice(start.length))?.[0];
    return text === undefined ? undefined : (JSON.parse(text) as string);
  }

  /** Which name has the ID. */
  id(id: string): string {
    return `${this.prefix}ids/${JSON.stringify(id)}`;
  }

  /** All that belongs to the queue of a name. */
  queue(name: string): string {
    return `${this.queues + JSON.stringify(name)}/`;
  }

  ticket(name: string, ticket: string): string {
    return `${this.queue(name)}w/${JSON.stringify(ticket)}`;
  }

  offers(name: string): string {
    return `${this.queue(name)}o/`;
  }

  offer(name: string, ticket: string): string {
    return this.offers(name) + JSON.stringify(ticket);
  }

  /** There while a process lives. Never made again once it is gone. */
  life(n: number): string {
    return `${this.prefix}lives/${n}`;
  }

  /** What ends by itself of a life, or with it where that is given up. */
  lapses(life: number): string {
    return `${this.prefix}lapses/${life}/`;
  }

  /** There while locks live that no beat of the life refreshes any more. */
  lapse(life: number, lease: string): string {
    return this.lapses(life) + lease;
  }

  words(life: number): string {
    return `${this.prefix}words/${life}/`;
  }

  word(life: number, token: number): string {
    return this.words(life) + token;
  }

  /** The names that were kept for the holder of a lock. */
  keptBy({ life, token }: Granted): string {
    return `${this.prefix}kept/${life}/${token}/`;
  }

  kept(lock: Granted, name: string): string {
    return this.keptBy(lock) + JSON.stringify(name);
  }

  /** The names whose holders act under an ID that is not their entries'. */
  actingUnder(id: string): string {
    return `${this.prefix}acting/${JSON.stringify(id)}/`;
  }

  acting(id: string, name: string): string {
    return this.actingUnder(id) + JSON.stringify(name);
  }
}

/** What tells a lock from all others: a life gives no token twice, and another may give the same one. */
export interface Granted {
  readonly life: number;
  readonly token: number;
}

/** The name at the end of a key that begins with `start`. */
export function nameAfter(start: string, key: string): string {
  return JSON.parse(key.slice(start.length)) as string;
}

/** The end of the range of all keys that begin with `start`, which ends with a slash. */
export function endOf(start: string): string {
  return `${start.slice(0, -1)}0`;
}
