import { ConnectionCore, DEFAULT_BACKOFF, type ConnectionInput } from '@parley/edge-client/signalling';
import { instant } from '@parley/nat';
import type { EventOf, Presence, RequestInputOf, ResponseOf, UserId, WireError } from '@parley/protocol';
import { machineClockMs } from '../machine-clock.ts';
import { BareConnection, RefusedError } from '../mailbox/bare-connection.ts';
import { BareUser } from '../mailbox/bare-user.ts';

type Welcome = ResponseOf<'authenticate'>;

/** What a user tells about itself. */
export interface StormObserver {
  signedIn(how: 'resumed' | 'recovered' | 'anew'): void;
  reHomed(userId: UserId, lostAt: number, onlineAt: number): void;
  refused(code: string): void;
  sawOffline(): void;
  /** What came of a watched user. */
  saw?(presence: Presence): void;
}

const HOST_TIMEOUT_MS = 3_000;
const CONNECT_TIMEOUT_MS = 60_000;

/**
 * A client that finds its supernode as the SDK does, by the same core, and comes back as the SDK does: it resumes, reads
 * its contacts and watches anew where events were lost. It has no sessions and keeps no messages.
 */
export class StormUser {
  readonly #account: BareUser;
  readonly #core: ConnectionCore;
  readonly #observer: StormObserver;
  readonly #seen = new Map<UserId, Presence['state']>();
  readonly #neighbours: UserId[] = [];
  #opening = new AbortController();
  #connection: BareConnection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #resumeToken: string | undefined;
  #lastSequence = 0;
  #lostAt: number | undefined;
  /** Its supernode told it to go, and ends the connection itself. */
  #isSentOff = false;

  constructor(urls: readonly [string, ...string[]], handle: string, observer: StormObserver) {
    this.#account = new BareUser(urls[0], handle);
    this.#observer = observer;
    this.#core = new ConnectionCore({
      urls,
      alternates: [],
      backoff: DEFAULT_BACKOFF,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      hostTimeoutMs: HOST_TIMEOUT_MS,
      random: Math.random,
    });
  }

  get userId(): UserId {
    return this.#account.userId;
  }

  get url(): string | undefined {
    return this.#core.url;
  }

  /** Online, and nobody that it watches is missing. */
  get isSettled(): boolean {
    return (
      this.#core.state === 'online' && this.#neighbours.every((userId) => this.#seen.get(userId) === 'online')
    );
  }

  get isOnline(): boolean {
    return this.#core.state === 'online';
  }

  register(): Promise<void> {
    return this.#account.register();
  }

  connect(): void {
    this.#feed({ kind: 'connect' });
  }

  async ask(userId: UserId): Promise<void> {
    await this.#connected().request('contacts.request', { userId });
  }

  async accept(userId: UserId): Promise<void> {
    await this.#connected().request('contacts.accept', { userId });
  }

  async watch(userIds: readonly UserId[]): Promise<void> {
    for (const userId of userIds) if (!this.#neighbours.includes(userId)) this.#neighbours.push(userId);
    await this.#subscribe(this.#connected());
  }

  async setPresence(setting: RequestInputOf<'presence.set'>): Promise<void> {
    await this.#connected().request('presence.set', setting);
  }

  /** What travelled on its connection so far, both ways. */
  get bytes(): number {
    return this.#connection?.bytes ?? 0;
  }

  close(): void {
    this.#feed({ kind: 'close' });
  }

  #connected(): BareConnection {
    if (!this.#connection || !this.isOnline) throw new RefusedError('CLOSED', undefined);
    return this.#connection;
  }

  #feed(input: ConnectionInput): void {
    this.#perform(this.#core.handle(input, instant(performance.now())));
  }

  #perform(outputs: ReturnType<ConnectionCore['handle']>): void {
    for (const output of outputs) {
      if (output.kind === 'open-transport') void this.#open(output.url);
      else if (output.kind === 'sign-in') void this.#signIn();
      else if (output.kind === 'close-transport') this.#drop();
    }
    clearTimeout(this.#timer);
    const next = this.#core.nextTimeoutAt();
    if (next === undefined) return;
    this.#timer = setTimeout(
      () => this.#perform(this.#core.handleTimeout(instant(performance.now()))),
      Math.max(0, next - performance.now()),
    );
  }

  #drop(): void {
    this.#opening.abort();
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.drop();
  }

  async #open(url: string): Promise<void> {
    const opening = new AbortController();
    this.#opening = opening;
    let connection: BareConnection;
    try {
      connection = await BareConnection.open(url, opening.signal);
    } catch {
      if (!opening.signal.aborted) this.#feed({ kind: 'transport-failed' });
      return;
    }
    if (opening.signal.aborted) {
      connection.drop();
      return;
    }
    this.#connection = connection;
    this.#isSentOff = false;
    connection.onEvent = (name, payload, sequence) => this.#receive(name, payload, sequence);
    connection.onClose = () => {
      if (this.#connection !== connection) return;
      this.#connection = undefined;
      if (this.isOnline && !this.#isSentOff) this.#lostAt = machineClockMs();
      this.#feed({ kind: 'transport-lost' });
    };
    this.#feed({ kind: 'transport-open' });
  }

  async #signIn(): Promise<void> {
    const connection = this.#connection;
    if (!connection) return;
    try {
      const how = await this.#prove(connection);
      if (how !== 'recovered') await this.#resync(connection);
      if (this.#connection !== connection) return;
      this.#observer.signedIn(how);
      const onlineAt = machineClockMs();
      if (this.#lostAt !== undefined) this.#observer.reHomed(this.userId, this.#lostAt, onlineAt);
      this.#lostAt = undefined;
      this.#feed({ kind: 'signed-in', resumed: how !== 'anew', recovered: how === 'recovered' });
    } catch (thrown) {
      if (!(thrown instanceof RefusedError)) throw thrown;
      this.#observer.refused(thrown.code);
      // A connection that ended has told so itself.
      if (this.#connection === connection && thrown.wire) this.#refused(thrown.wire);
    }
  }

  #refused({ code, retryable, retryAfterMs, windowMs, alternates }: WireError): void {
    const hints = { retryAfterMs, windowMs, alternates };
    if (code === 'NOT_HOME') this.#feed({ kind: 'not-home', ...hints });
    else this.#feed({ kind: 'sign-in-failed', retryable, ...hints });
  }

  /** Takes the last connection up again if it can, else signs in anew. */
  async #prove(connection: BareConnection): Promise<'resumed' | 'recovered' | 'anew'> {
    const token = this.#resumeToken;
    if (token !== undefined) {
      try {
        const proof = await this.#account.prove(connection, 'resume', token);
        const request = { token, proof, lastSequence: this.#lastSequence };
        const { recovered, newestSequence, ...welcome } = await connection.request('resume', request);
        if (!recovered) this.#lastSequence = newestSequence ?? 0;
        this.#welcome(welcome);
        return recovered ? 'recovered' : 'resumed';
      } catch (thrown) {
        if (!(thrown instanceof RefusedError) || thrown.code !== 'RESUME_REFUSED') throw thrown;
        this.#resumeToken = undefined;
      }
    }
    const { token: accessToken } = this.#account;
    const proof = await this.#account.prove(connection, 'authenticate', accessToken);
    this.#lastSequence = 0;
    this.#welcome(await connection.request('authenticate', { token: accessToken, proof }));
    return 'anew';
  }

  #welcome({ resume, homes }: Welcome): void {
    this.#resumeToken = resume.token;
    const [signed] = homes ?? [];
    if (!signed) return;
    const {
      homes: urls,
      notBefore,
      notAfter,
    } = JSON.parse(Buffer.from(signed.payload, 'base64url').toString('utf8')) as {
      homes: string[];
      notBefore: number;
      notAfter: number;
    };
    this.#feed({ kind: 'homes', urls, validForMs: notAfter - notBefore });
  }

  async #resync(connection: BareConnection): Promise<void> {
    if (this.#neighbours.length === 0) return;
    await connection.request('contacts.list', {});
    await this.#subscribe(connection);
  }

  async #subscribe(connection: BareConnection): Promise<void> {
    const { presence } = await connection.request('presence.subscribe', { userIds: [...this.#neighbours] });
    for (const one of presence) this.#see(one);
  }

  #receive(name: string, payload: unknown, sequence: number): void {
    if (sequence > 0) {
      if (sequence <= this.#lastSequence) return; // replayed, and known
      this.#lastSequence = sequence;
    }
    if (name === 'presence.changed') this.#see(payload as Presence);
    else if (name === 'go-away') {
      this.#isSentOff = true;
      this.#feed({ kind: 'go-away', notice: payload as EventOf<'go-away'> });
    }
  }

  #see(presence: Presence): void {
    const { userId, state } = presence;
    if (!this.#neighbours.includes(userId)) return;
    this.#observer.saw?.(presence);
    if (this.#seen.get(userId) === 'online' && state === 'offline') this.#observer.sawOffline();
    this.#seen.set(userId, state);
  }
}
