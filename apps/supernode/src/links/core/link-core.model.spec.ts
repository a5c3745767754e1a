import fc from 'fast-check';
import { decodeFrame, encodeFrame } from './link-frame.ts';
import { InboundStream } from './inbound-stream.ts';
import { LinkCore, type LinkOutput } from './link-core.ts';
import { DEFAULT_LINK_LIMITS } from './link-limits.ts';
import { OutboundStream } from './outbound-stream.ts';

const LIMITS = { ...DEFAULT_LINK_LIMITS, maxQueued: 40, window: 12, maxFrameMessages: 5 };
const LIFETIME_MS = 3000;
const RUNS = 1500;

type Side = 'a' | 'b';
type Step =
  | { readonly kind: 'send'; readonly side: Side; readonly lifetimeMs: number }
  | { readonly kind: 'wait'; readonly milliseconds: number }
  /** One of the frames on the way, by chance: kept there with `isCopied`, lost with `isLost`. */
  | {
      readonly kind: 'deliver';
      readonly at: number;
      readonly isLost: boolean;
      readonly isCopied: boolean;
    }
  | { readonly kind: 'restart'; readonly side: Side };

const anySide = fc.constantFrom<Side>('a', 'b');
const sometimes = fc.nat(4).map((chance) => chance === 0);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      side: anySide,
      lifetimeMs: fc.constantFrom(100, LIFETIME_MS),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      milliseconds: fc.constantFrom(1, 20, 250, 1000),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('deliver' as const),
      at: fc.nat(30),
      isLost: sometimes,
      isCopied: sometimes,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), side: anySide }) },
);

interface Sent {
  readonly by: string;
  readonly number: number;
}

/** Two supernodes, the frames between them, and what was sent, handled and reported as lost. */
class Link {
  now = 0;
  readonly handled: (Sent & { readonly in: string })[] = [];
  readonly sent: Sent[] = [];
  readonly lost = new Set<string>();
  readonly frames: { readonly to: Side; readonly text: string }[] = [];
  private incarnations = { a: 1, b: 1 };
  private cores = { a: this.make('a'), b: this.make('b') };
  private numbers = new Map<string, number>();
  private ids = new Map<string, string>();

  apply(step: Step): void {
    switch (step.kind) {
      case 'send':
        this.send(step.side, step.lifetimeMs);
        break;
      case 'wait':
        this.wait(step.milliseconds);
        break;
      case 'deliver':
        this.deliver(step);
        break;
      case 'restart':
        this.restart(step.side);
        break;
    }
  }

  wait(milliseconds: number): void {
    this.now += milliseconds;
    for (const side of ['a', 'b'] as const) this.perform(side, this.cores[side].handleTimeout(this.now));
  }

  /** The network behaves from now on, and time passes until nothing is under way. */
  settle(): void {
    for (let round = 0; round < 2000; round += 1) {
      while (this.frames.length > 0) this.deliver({ at: 0, isLost: false, isCopied: false });
      const due = (['a', 'b'] as const).map((side) => this.cores[side].nextTimeoutAt() ?? Infinity);
      const next = Math.min(...due);
      if (next === Infinity) return;
      this.wait(Math.max(1, next - this.now));
    }
    throw new RangeError('The link does not come to rest.');
  }

  get queued(): number {
    return this.cores.a.queued + this.cores.b.queued;
  }

  private nameOf(side: Side): string {
    return `${side}${this.incarnations[side]}`;
  }

  private make(side: Side): LinkCore {
    return new LinkCore({ nodeId: side, incarnation: this.incarnations[side] }, LIMITS);
  }

  private send(side: Side, lifetimeMs: number): void {
    const by = this.nameOf(side);
    const number = (this.numbers.get(by) ?? 0) + 1;
    this.numbers.set(by, number);
    const other = side === 'a' ? 'b' : 'a';
    const core = this.cores[side];
    const id = core.send(other, JSON.stringify({ by, number }), this.now + lifetimeMs, this.now);
    if (id === undefined) return;
    this.ids.set(`${by} ${id}`, `${by} ${number}`);
    this.sent.push({ by, number });
    this.perform(side, core.flush(this.now));
  }

  private deliver({ at, isLost, isCopied }: { at: number; isLost: boolean; isCopied: boolean }): void {
    const index = at % Math.max(1, this.frames.length);
    const sending = this.frames[index];
    if (!sending) return;
    if (!isCopied) this.frames.splice(index, 1);
    const frame = isLost ? undefined : decodeFrame(sending.text);
    if (!frame) return;
    const core = this.cores[sending.to];
    this.perform(sending.to, core.receive(frame, this.now));
    this.perform(sending.to, core.flush(this.now));
  }

  private restart(side: Side): void {
    // What the earlier one had not sent ended with it.
    for (const { by, number } of this.sent) if (by === this.nameOf(side)) this.lost.add(`${by} ${number}`);
    this.incarnations = { ...this.incarnations, [side]: this.incarnations[side] + 1 };
    this.cores = { ...this.cores, [side]: this.make(side) };
  }

  private perform(side: Side, outputs: readonly LinkOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'frame')
        this.frames.push({ to: output.to as Side, text: encodeFrame(output.frame) });
      if (output.kind === 'deliver') this.handled.push({ ...(output.body as Sent), in: this.nameOf(side) });
      if (output.kind === 'lost')
        this.lost.add(this.ids.get(`${this.nameOf(side)} ${output.id}`) ?? 'unknown');
    }
  }
}

function check(steps: readonly Step[]): void {
  const link = new Link();
  for (const step of steps) link.apply(step);
  link.settle();

  const keys = link.handled.map(({ by, number }) => `${by} ${number}`);
  expect(new Set(keys).size).toBe(keys.length);
  for (const sender of new Set(link.handled.map(({ by }) => by))) {
    const numbers = link.handled.filter(({ by }) => by === sender).map(({ number }) => number);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }
  const handled = new Set(keys);
  const unknown = link.sent
    .map(({ by, number }) => `${by} ${number}`)
    .filter((key) => !handled.has(key) && !link.lost.has(key));
  expect(unknown).toEqual([]);
  expect(link.lost.has('unknown')).toBe(false);
  expect(link.queued).toBe(0);
}

const anySteps = fc.array(anyStep, { minLength: 1, maxLength: 120 });

describe('LinkCore › model', () => {
  it('handles nothing twice, keeps the order, and handles or reports everything, whatever the network and restarts do', () => {
    fc.assert(fc.property(anySteps, check), { numRuns: RUNS });
  });

  it('is caught by the model when what an earlier incarnation may have handled is sent to the next one', () => {
    const restart = OutboundStream.prototype.restart;
    OutboundStream.prototype.restart = function (this: OutboundStream, firstSequence) {
      for (const entry of this['entries']) entry.wasSent = false;
      return restart.call(this, firstSequence);
    };
    try {
      expect(() => fc.assert(fc.property(anySteps, check), { numRuns: RUNS, endOnFailure: true })).toThrow();
    } finally {
      OutboundStream.prototype.restart = restart;
    }
  });

  it('is caught by the model when a receiver forgets what it handled', () => {
    const receive = InboundStream.prototype.receive;
    InboundStream.prototype.receive = function (this: InboundStream, base, messages) {
      const result = receive.call(this, base, messages);
      const repeatedBodies = messages.filter(([n]) => n === this.received).map(([, body]) => body);
      return result.repeated > 0 ? { ...result, bodies: [...result.bodies, ...repeatedBodies] } : result;
    };
    try {
      expect(() => fc.assert(fc.property(anySteps, check), { numRuns: RUNS, endOnFailure: true })).toThrow();
    } finally {
      InboundStream.prototype.receive = receive;
    }
  });
});
