import { WIRE_ERRORS, type WireErrorCode } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import type { Clock } from '../clock/clock.port.ts';
import type { Scheduler } from '../clock/scheduler.port.ts';
import type { NodeId } from '../cluster/node-record.ts';
import { errorCodeOf, messageOf, SupernodeError } from '../errors.ts';
import { Refusal } from '../refusal.ts';
import { decodeFrame, encodeFrame } from './core/link-frame.ts';
import { LinkCore, type LinkOutput } from './core/link-core.ts';
import { DEFAULT_LINK_LIMITS, type LinkLimits } from './core/link-limits.ts';
import { decodeBody, encodeBody, type LinkBody } from './link-body.ts';
import { LinkHandlers } from './link-handlers.ts';
import type { LinkMetrics } from './link-metrics.ts';
import type {
  LinkRequestName,
  LinkRequestOf,
  LinkResponseOf,
  LinkTellName,
  LinkTellOf,
} from './link-messages.ts';
import type { LinkTransport } from './link-transport.port.ts';
import type { LinkLoss, Links, TellOptions } from './links.port.ts';

const REQUEST_DEADLINE_MS = 5000;
/** Longer than a lost supernode goes unnoticed: its users' new home is known before the message is given up. */
const TELL_DEADLINE_MS = 10_000;

export interface LinkParts {
  readonly transport: LinkTransport;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly background: BackgroundTasks;
  readonly metrics: LinkMetrics;
  readonly limits?: LinkLimits;
}

interface PendingRequest {
  readonly to: NodeId;
  readonly settle: (answer: { readonly payload: unknown } | { readonly error: Error }) => void;
}

/** The links of a supernode in a cluster: keeps the promises of {@link Links} over a transport that keeps none. */
export class ClusterLinks implements Links {
  private readonly handlers = new LinkHandlers();
  readonly onRequest = this.handlers.onRequest;
  readonly onTell = this.handlers.onTell;
  private readonly requests = new Map<number, PendingRequest>();
  private readonly losses = new Map<number, (loss: LinkLoss) => void>();
  private readonly core: LinkCore;
  private lastRequest = 0;
  private isFlushDue = false;
  private isClosed = false;
  private timer: { readonly at: number; readonly cancel: () => void } | undefined;

  constructor(
    private readonly self: { readonly nodeId: NodeId; readonly incarnation: number },
    private readonly parts: LinkParts,
  ) {
    this.core = new LinkCore(self, parts.limits ?? DEFAULT_LINK_LIMITS);
    parts.metrics.watchQueue(() => this.core.queued);
  }

  async open(): Promise<void> {
    await this.parts.transport.open(this.self.nodeId, (text) => this.receive(text));
  }

  /** Requests that are under way fail; what was told and not acknowledged yet is lost. */
  async shutDown(): Promise<void> {
    this.isClosed = true;
    this.timer?.cancel();
    for (const { settle } of [...this.requests.values()]) settle({ error: closed() });
    await this.parts.transport.close();
  }

  request<Name extends LinkRequestName>(
    to: NodeId,
    name: Name,
    payload: LinkRequestOf<Name>,
    { deadlineMs = REQUEST_DEADLINE_MS }: { readonly deadlineMs?: number } = {},
  ): Promise<LinkResponseOf<Name>> {
    return new Promise((resolve, reject) => {
      this.lastRequest += 1;
      const id = this.lastRequest;
      const timeOut = (): void => {
        this.requests.get(id)?.settle({ error: timedOut() });
      };
      const cancel = this.parts.scheduler.after(deadlineMs, timeOut);
      this.requests.set(id, {
        to,
        settle: (answer) => {
          cancel();
          this.requests.delete(id);
          if ('error' in answer) reject(answer.error);
          else resolve(answer.payload as LinkResponseOf<Name>);
        },
      });
      this.send(to, { kind: 'request', id, name, payload }, deadlineMs, (loss) => {
        this.requests.get(id)?.settle({ error: errorOf(loss) });
      });
    });
  }

  tell<Name extends LinkTellName>(
    to: NodeId,
    name: Name,
    payload: LinkTellOf<Name>,
    { deadlineMs = TELL_DEADLINE_MS, onLost }: TellOptions = {},
  ): void {
    this.send(to, { kind: 'tell', name, payload }, deadlineMs, onLost);
  }

  close(nodeId: NodeId): void {
    this.perform(this.core.close(nodeId));
  }

  private send(
    to: NodeId,
    body: LinkBody,
    deadlineMs: number,
    onLost: (loss: LinkLoss) => void = () => undefined,
  ): void {
    if (to === this.self.nodeId) {
      setImmediate(() => this.dispatch(to, body));
      return;
    }
    if (this.isClosed) {
      onLost('closed');
      return;
    }
    const now = this.parts.clock.monotonic();
    const id = this.core.send(to, encodeBody(body), now + deadlineMs, now);
    if (id === undefined) {
      this.parts.metrics.lost('overloaded');
      onLost('overloaded');
      return;
    }
    this.losses.set(id, onLost);
    this.parts.metrics.sent(body.kind === 'tell' || body.kind === 'request' ? body.name : body.kind);
    this.flushSoon();
  }

  /** What is sent in one turn leaves together. */
  private flushSoon(): void {
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    setImmediate(() => {
      this.isFlushDue = false;
      if (!this.isClosed) this.perform(this.core.flush(this.parts.clock.monotonic()));
    });
  }

  private receive(text: string): void {
    if (this.isClosed) return;
    const frame = decodeFrame(text);
    if (!frame) {
      this.parts.metrics.dropped('malformed');
      return;
    }
    this.perform(this.core.receive(frame, this.parts.clock.monotonic()));
    this.flushSoon();
  }

  private perform(outputs: readonly LinkOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'frame':
          this.publish(output);
          break;
        case 'deliver':
          this.deliver(output.from, output.body);
          break;
        case 'settled':
          for (const id of output.ids) this.losses.delete(id);
          break;
        case 'lost':
          this.lost(output.id, output.reason);
          break;
        case 'peer-restarted':
          for (const pending of [...this.requests.values()])
            if (pending.to === output.peer) pending.settle({ error: closed() });
          break;
        case 'drop':
          this.parts.metrics.dropped(output.reason, output.count);
          break;
      }
    }
    this.arm();
  }

  private publish({ to, frame, repeated }: Extract<LinkOutput, { kind: 'frame' }>): void {
    this.parts.metrics.frameSent(repeated);
    this.parts.transport.publish(to, encodeFrame(frame)).catch(() => {
      // It is sent again, or reported as lost, in its time.
      this.parts.metrics.dropped('not-published');
    });
  }

  private lost(id: number, reason: LinkLoss): void {
    const onLost = this.losses.get(id);
    this.losses.delete(id);
    this.parts.metrics.lost(reason);
    onLost?.(reason);
  }

  private deliver(from: NodeId, encoded: unknown): void {
    const body = decodeBody(encoded);
    if (body) this.dispatch(from, body);
    else this.parts.metrics.dropped('malformed');
  }

  private dispatch(from: NodeId, body: LinkBody): void {
    switch (body.kind) {
      case 'tell': {
        const handle = this.handlers.forTell(body.name);
        if (handle)
          // Begun in the order of the messages; what a handler waits for keeps the next one from nothing.
          void this.parts.background.attempt(`handling ${body.name}`, async () => {
            await handle(body.payload, from);
          });
        else this.parts.metrics.dropped('unknown-message');
        break;
      }
      case 'request':
        void this.answer(from, body);
        break;
      case 'answer':
        this.requests.get(body.id)?.settle({ payload: body.payload });
        break;
      case 'refusal':
        this.requests.get(body.id)?.settle({ error: refusalOf(body) });
        break;
    }
  }

  private async answer(from: NodeId, { id, name, payload }: LinkBody & { kind: 'request' }): Promise<void> {
    const handle = this.handlers.forRequest(name);
    let answer: LinkBody;
    try {
      if (!handle) throw new SupernodeError('SN_LINK_REFUSED', `This supernode knows no request ${name}.`);
      answer = { kind: 'answer', id, payload: await handle(payload, from) };
    } catch (error) {
      const code = errorCodeOf(error) ?? 'SN_LINK_REFUSED';
      answer = { kind: 'refusal', id, code, message: messageOf(error) };
    }
    this.send(from, answer, REQUEST_DEADLINE_MS);
  }

  private arm(): void {
    const at = this.isClosed ? undefined : this.core.nextTimeoutAt();
    if (this.timer?.at === at) return;
    this.timer?.cancel();
    this.timer = undefined;
    if (at === undefined) return;
    const wait = Math.max(0, at - this.parts.clock.monotonic());
    const fire = (): void => {
      this.timer = undefined;
      this.perform(this.core.handleTimeout(this.parts.clock.monotonic()));
    };
    this.timer = { at, cancel: this.parts.scheduler.after(wait, fire) };
  }
}

function timedOut(): SupernodeError {
  return new SupernodeError('SN_LINK_TIMEOUT', 'Another supernode did not answer in time.');
}

function closed(): SupernodeError {
  return new SupernodeError('SN_LINK_CLOSED', 'The other supernode restarted or left.');
}

function errorOf(loss: LinkLoss): SupernodeError {
  if (loss === 'expired') return timedOut();
  if (loss === 'overloaded')
    return new SupernodeError('SN_LINK_OVERLOADED', 'Too much waits for that supernode.');
  return closed();
}

function refusalOf({ code, message }: LinkBody & { kind: 'refusal' }): Error {
  if (Object.hasOwn(WIRE_ERRORS, code)) return new Refusal(code as WireErrorCode, message);
  return new SupernodeError('SN_LINK_REFUSED', `${code}: ${message}`);
}
