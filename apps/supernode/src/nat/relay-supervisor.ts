import type { FlowServerControl, FlowServerEvent, TransportAddress } from '@parley/nat';
import type { TurnServerControl } from '@parley/nat/node';
import type { Clock } from '../clock/clock.port.ts';
import type { Scheduler } from '../clock/scheduler.port.ts';
import { SupernodeError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { BoundListener, RelayReport, RelayStats } from './relay-messages.ts';
import type { RelaySettings } from './relay-settings.ts';
import { RelayTls } from './relay-tls.ts';
import type { RelayThread, RelayThreadFactory } from './relay-thread.port.ts';

export interface RelaySupervisorParts {
  readonly start: RelayThreadFactory;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /** What a new thread must be told: secrets, revocations. */
  readonly replay: () => readonly TurnServerControl[];
  /** The same of registered flows and relays between them. */
  readonly replayFlows: () => readonly FlowServerControl[];
  readonly onFlowEvent: (event: FlowServerEvent) => void;
}

const FIRST_RESTART_DELAY_MS = 200;
const MAX_RESTART_DELAY_MS = 30_000;
/** A run that lasted this long was sound: the next crash is treated as the first. */
const SOUND_RUN_MS = 60_000;
const STATS_LIMIT_MS = 2_000;

type State = 'idle' | 'starting' | 'running' | 'waiting' | 'stopped';

/** Keeps one relay thread running: its end is logged, and it is started again on the same ports with growing pauses. */
export class RelaySupervisor {
  readonly tls: RelayTls;
  private state: State = 'idle';
  private settings: RelaySettings;
  private thread: RelayThread | undefined;
  private bound: readonly BoundListener[] = [];
  private startedAt = 0;
  private crashes = 0;
  private cancelRestart: (() => void) | undefined;
  private lastRequestId = 0;
  private readonly statsRequests = new Map<number, (stats: RelayStats | undefined) => void>();
  private firstStart: { resolve: () => void; reject: (error: SupernodeError) => void } | undefined;

  constructor(
    settings: RelaySettings,
    private readonly parts: RelaySupervisorParts,
  ) {
    this.settings = settings;
    this.tls = new RelayTls(
      (command) => {
        if (this.state === 'running') this.thread?.post(command);
      },
      parts.logger,
      parts.scheduler,
    );
  }

  /** Resolves when the listeners are bound. @throws SupernodeError `SN_LISTEN_FAILED` */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.firstStart = { resolve, reject };
      this.launch();
    });
  }

  async stop(): Promise<void> {
    this.state = 'stopped';
    this.cancelRestart?.();
    this.tls.close();
    await this.thread?.stop();
  }

  get isRunning(): boolean {
    return this.state === 'running';
  }

  get restarts(): number {
    return this.crashes;
  }

  /** As bound; also while the thread is being started again. */
  listening(): readonly TransportAddress[] {
    return this.bound.map(({ bound }) => bound);
  }

  /** As clients see them. */
  visible(): readonly TransportAddress[] {
    return this.bound.map(({ visible }) => visible);
  }

  /** Address of every listener with what clients see of it, as configured. */
  hosts(): readonly { readonly address: string; readonly visible: string }[] {
    return this.settings.listen.map(({ address, publicAddress = address }) => ({
      address,
      visible: publicAddress,
    }));
  }

  control(input: TurnServerControl): void {
    if (this.state === 'running') this.thread?.post({ kind: 'control', input });
  }

  controlFlows(input: FlowServerControl): void {
    if (this.state === 'running') this.thread?.post({ kind: 'control-flows', input });
  }

  /** Undefined where the thread does not run or does not answer in time. */
  stats(): Promise<RelayStats | undefined> {
    if (this.state !== 'running') return Promise.resolve(undefined);
    this.lastRequestId += 1;
    const requestId = this.lastRequestId;
    return new Promise((resolve) => {
      const cancel = this.parts.scheduler.after(STATS_LIMIT_MS, () => this.answerStats(requestId, undefined));
      this.statsRequests.set(requestId, (stats) => {
        cancel();
        resolve(stats);
      });
      this.thread?.post({ kind: 'stats', requestId });
    });
  }

  private launch(): void {
    this.state = 'starting';
    this.startedAt = this.parts.clock.monotonic();
    this.thread = this.parts.start(this.settings, {
      onReport: (report) => this.receive(report),
      onExit: (cause) => this.ended(cause),
    });
  }

  private receive(report: RelayReport): void {
    switch (report.kind) {
      case 'ready':
        this.ready(report);
        break;
      case 'failed':
        this.failed(report.message);
        break;
      case 'flow-event':
        this.parts.onFlowEvent(report.event);
        break;
      case 'stats':
        this.answerStats(report.requestId, report.stats);
        break;
      default:
        this.tls.receive(report);
    }
  }

  private ready({ listeners, alternatePorts }: Extract<RelayReport, { kind: 'ready' }>): void {
    if (this.state !== 'starting') return;
    this.bound = listeners;
    // Clients know these ports by now: a later thread must have the same.
    this.settings = {
      ...this.settings,
      listen: this.settings.listen.map((listen, index) => {
        const alternatePort = alternatePorts[index];
        const port = listeners[index]?.bound.port ?? listen.port;
        return { ...listen, port, ...(alternatePort === undefined ? {} : { alternatePort }) };
      }),
    };
    this.state = 'running';
    for (const input of this.parts.replay()) this.control(input);
    for (const input of this.parts.replayFlows()) this.controlFlows(input);
    this.tls.replay();
    this.parts.logger.info({ listeners: listeners.length }, 'relay thread ready');
    this.firstStart?.resolve();
    this.firstStart = undefined;
  }

  private failed(message: string): void {
    if (this.firstStart !== undefined) {
      // The first start tells the operator what is wrong, rather than trying for ever.
      this.state = 'stopped';
      this.firstStart.reject(new SupernodeError('SN_LISTEN_FAILED', `STUN/TURN: ${message}`));
      this.firstStart = undefined;
    } else {
      this.parts.logger.error({ reason: message }, 'relay thread could not bind');
    }
    void this.thread?.stop();
  }

  private ended(cause: string): void {
    this.thread = undefined;
    for (const requestId of [...this.statsRequests.keys()]) this.answerStats(requestId, undefined);
    if (this.firstStart !== undefined) {
      this.firstStart.reject(
        new SupernodeError('SN_LISTEN_FAILED', `STUN/TURN: the relay thread ended: ${cause}`),
      );
      this.firstStart = undefined;
      this.state = 'stopped';
    }
    if (this.state === 'stopped') return;
    this.crashes += 1;
    const { clock, logger, scheduler } = this.parts;
    const wasSound = clock.monotonic() - this.startedAt >= SOUND_RUN_MS;
    this.consecutiveCrashes = wasSound ? 1 : this.consecutiveCrashes + 1;
    const delayMs = Math.min(
      MAX_RESTART_DELAY_MS,
      FIRST_RESTART_DELAY_MS * 2 ** (this.consecutiveCrashes - 1),
    );
    this.state = 'waiting';
    logger.error({ cause, delayMs, restarts: this.crashes }, 'relay thread ended; starting it again');
    this.cancelRestart = scheduler.after(delayMs, () => this.launch());
  }

  private consecutiveCrashes = 0;

  private answerStats(requestId: number, stats: RelayStats | undefined): void {
    const answer = this.statsRequests.get(requestId);
    this.statsRequests.delete(requestId);
    answer?.(stats);
  }
}
