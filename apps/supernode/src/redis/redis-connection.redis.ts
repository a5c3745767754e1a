import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock/clock.port.ts';
import type { Scheduler } from '../clock/scheduler.port.ts';
import { messageOf, SupernodeError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { openBackend, type RedisBackend } from './redis-backend.redis.ts';
import { isUnknownScript, redisError } from './redis-errors.redis.ts';
import { RedisMetrics } from './redis-metrics.ts';
import type { RedisCommands, RedisReply } from './redis-commands.ts';
import type { RedisScript } from './redis-script.ts';
import { parseRedisUrl, type RedisPlace } from './redis-url.ts';

export interface RedisConnectionOptions {
  readonly url: string;
  /** Certificates in PEM by which the servers are checked with TLS, in place of those that Node knows. */
  readonly authorities?: string | undefined;
  /** Key of the mark by which the connection notices that Redis was emptied. */
  readonly birthmark: string;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  readonly metrics: Metrics;
  /** Milliseconds until a command without an answer has failed. */
  readonly deadlineMs?: number;
  /** Milliseconds between looks whether Redis is there. */
  readonly probeMs?: number;
}

const DEADLINE_MS = 2_000;
const PROBE_MS = 1_000;
const FIRST_CONNECT_MS = 10_000;
/** A connection on which nothing is answered for so long is replaced: TCP alone would wait for minutes. */
const REPLACED_AFTER_MS = 5_000;

type Listener<Args extends unknown[]> = (...args: Args) => void;

/**
 * The one connection of a supernode to Redis. A command is sent once: it is answered, or fails with SN_REDIS_UNREACHABLE within the
 * deadline, and then nobody knows whether it was done. While Redis is away commands fail at once.
 */
export class RedisConnection implements RedisCommands {
  private readonly metrics: RedisMetrics;
  private backend: RedisBackend;
  private readonly listeners = new Map<string, Listener<[string]>>();
  /** Channels that the present backend listens to. */
  private subscribed = new Set<string>();
  private readonly stateListeners: Listener<[boolean]>[] = [];
  private readonly emptiedListeners: Listener<[]>[] = [];
  private mark: string | undefined;
  private isUpNow = false;
  /** Since when nothing was answered, by the monotonic clock. */
  private silentSince: number | undefined;
  private lastFailure: unknown;
  private cancelProbe: (() => void) | undefined;
  private isProbing = false;
  private isClosed = false;

  private constructor(
    private readonly place: RedisPlace,
    private readonly options: RedisConnectionOptions,
  ) {
    this.metrics = new RedisMetrics(options.metrics, () => this.isUpNow);
    this.backend = this.newBackend();
  }

  /**
   * Waits until Redis answers.
   *
   * @throws SupernodeError SN_REDIS_UNREACHABLE, SN_CONFIG_INVALID
   */
  static async open(options: RedisConnectionOptions): Promise<RedisConnection> {
    const connection = new RedisConnection(parseRedisUrl(options.url), options);
    await connection.begin();
    return connection;
  }

  /** Whether Redis answered when it was last asked. */
  get isUp(): boolean {
    return this.isUpNow;
  }

  /** Called when Redis goes away and when it is back. */
  onStateChange(listener: (isUp: boolean) => void): void {
    this.stateListeners.push(listener);
  }

  /** Called when Redis came back without what it had: whoever can writes its part again. */
  onEmptied(listener: () => void): void {
    this.emptiedListeners.push(listener);
  }

  async run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<RedisReply> {
    const rest = [String(keys.length), ...keys, ...args];
    return this.measured(script.name, async () => {
      try {
        return await this.send(keys[0], ['EVALSHA', script.sha1, ...rest]);
      } catch (error) {
        if (!isUnknownScript(error)) throw error;
        return this.send(keys[0], ['EVAL', script.lua, ...rest]);
      }
    });
  }

  async command(key: string, command: readonly [string, ...string[]]): Promise<RedisReply> {
    return this.measured(command[0].toLowerCase(), () => this.send(key, command));
  }

  /** To whoever listens in this moment; nobody knows who does. */
  async publish(channel: string, message: string): Promise<void> {
    await this.measured('publish', () =>
      this.answered(async () => (await this.backend.publish(channel, message)) as RedisReply),
    );
  }

  /**
   * Listens until {@link close}, with one listener for each channel; begins as soon as Redis is there. What is published while the
   * connection is lost is lost.
   */
  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    this.listeners.set(channel, listener);
    if (this.isUpNow) await this.subscribeMissing();
  }

  async unsubscribe(channel: string): Promise<void> {
    this.listeners.delete(channel);
    if (this.subscribed.delete(channel) && this.backend.isReady) {
      await this.measured('unsubscribe', () =>
        this.answered(() => this.backend.unsubscribe(channel).then(() => null)),
      );
    }
  }

  /** @throws SupernodeError SN_REDIS_UNREACHABLE when Redis does not answer now */
  async check(): Promise<void> {
    await this.command(this.options.birthmark, ['GET', this.options.birthmark]);
  }

  close(): void {
    this.isClosed = true;
    this.cancelProbe?.();
    this.backend.destroy();
  }

  private async begin(): Promise<void> {
    let cancel: () => void = () => undefined;
    const isThere = new Promise<void>((resolve, reject) => {
      this.onStateChange((isUp) => isUp && resolve());
      cancel = this.options.scheduler.after(FIRST_CONNECT_MS, () => {
        const message = `Redis does not answer at REDIS_URL: ${messageOf(this.lastFailure ?? 'no word from it')}`;
        reject(new SupernodeError('SN_REDIS_UNREACHABLE', message, { cause: this.lastFailure }));
      });
    });
    this.connect();
    this.keepProbing();
    try {
      await isThere;
    } catch (error) {
      this.close();
      throw error;
    } finally {
      cancel();
    }
  }

  private connect(): void {
    const { backend } = this;
    const isCurrent = () => backend === this.backend && !this.isClosed;
    backend.connect().then(
      () => isCurrent() && void this.probe(),
      // Connecting again is the backend's affair, or that of whoever replaces it.
      (error: unknown) => isCurrent() && this.wentSilent(error),
    );
  }

  private newBackend(): RedisBackend {
    const backend = openBackend(this.place, this.options.authorities, {
      onError: (error) => {
        if (backend !== this.backend || backend.isReady) return;
        this.lastFailure = error;
        this.setUp(false, error);
      },
      onReady: () => {
        if (backend === this.backend) void this.probe();
      },
    });
    return backend;
  }

  private keepProbing(): void {
    if (this.isClosed) return;
    this.cancelProbe = this.options.scheduler.after(this.options.probeMs ?? PROBE_MS, () => {
      void this.probe();
      this.keepProbing();
    });
  }

  /** Looks whether Redis is there and still has what it had. */
  private async probe(): Promise<void> {
    if (this.isProbing || this.isClosed) return;
    this.isProbing = true;
    try {
      const fresh = randomUUID();
      const { birthmark } = this.options;
      const set = await this.withDeadline(
        this.backend.send(birthmark, ['SET', birthmark, fresh, 'NX', 'GET']),
      );
      const isEmptied = this.mark !== undefined && set !== this.mark;
      this.mark = typeof set === 'string' ? set : fresh;
      this.silentSince = undefined;
      this.lastFailure = undefined;
      this.setUp(true);
      if (isEmptied) this.wasEmptied();
      await this.subscribeMissing();
    } catch (error) {
      this.wentSilent(error);
    } finally {
      this.isProbing = false;
    }
  }

  private wasEmptied(): void {
    this.options.logger.warn('redis came back without what it had');
    this.metrics.emptied();
    for (const listener of this.emptiedListeners) listener();
  }

  private wentSilent(error: unknown): void {
    if (this.isClosed) return;
    this.lastFailure ??= error;
    const now = this.options.clock.monotonic();
    this.silentSince ??= now;
    this.setUp(false, error);
    if (now - this.silentSince < REPLACED_AFTER_MS) return;
    this.silentSince = now;
    this.backend.destroy();
    this.subscribed = new Set();
    this.backend = this.newBackend();
    this.connect();
  }

  private setUp(isUp: boolean, error?: unknown): void {
    if (this.isUpNow === isUp) return;
    this.isUpNow = isUp;
    if (isUp) this.options.logger.info('redis answers');
    else this.options.logger.warn({ err: error }, 'redis does not answer');
    for (const listener of this.stateListeners) listener(isUp);
  }

  private async subscribeMissing(): Promise<void> {
    for (const [channel, heard] of this.listeners) {
      // In a Redis Cluster the server of a channel can change, and another one knows nothing of who listened; to ask again for the
      // same with the same listener costs nothing where it is so already.
      if (this.subscribed.has(channel) && this.place.kind !== 'cluster') continue;
      this.subscribed.add(channel);
      try {
        await this.withDeadline(this.backend.subscribe(channel, heard));
      } catch (error) {
        this.subscribed.delete(channel);
        throw redisError('subscribe', error);
      }
    }
  }

  private async measured(operation: string, work: () => Promise<RedisReply>): Promise<RedisReply> {
    const began = this.options.clock.monotonic();
    try {
      const reply = await work();
      this.metrics.succeeded(operation, this.options.clock.monotonic() - began);
      return reply;
    } catch (error) {
      const typed = error instanceof SupernodeError ? error : redisError(operation, error);
      this.metrics.failed(operation, typed.code);
      throw typed;
    }
  }

  private send(key: string | undefined, command: readonly string[]): Promise<RedisReply> {
    return this.answered(async () => (await this.backend.send(key, command)) as RedisReply);
  }

  private async answered(work: () => Promise<RedisReply>): Promise<RedisReply> {
    if (!this.isUpNow) throw new SupernodeError('SN_REDIS_UNREACHABLE', 'Redis does not answer now.');
    return this.withDeadline(work());
  }

  private withDeadline<Answer>(work: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const cancel = this.options.scheduler.after(this.options.deadlineMs ?? DEADLINE_MS, () => {
        const late = new SupernodeError('SN_REDIS_UNREACHABLE', 'Redis did not answer in time.');
        // Of a Redis Cluster one server may hang while the others serve: that is for the probe to judge.
        if (this.place.kind === 'single') this.wentSilent(late);
        reject(late);
      });
      work.finally(cancel).then(resolve, reject);
    });
  }
}
