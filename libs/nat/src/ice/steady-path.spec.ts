import { nodeCrypto } from '../node/node-crypto.ts';
import { transportAddress } from '../net/ip-address.ts';
import { transportAddressKey, type TransportAddress } from '../net/transport-address.ts';
import { VirtualClock } from '../testing/virtual-clock.ts';
import type { CandidateBase, CandidateKind, LocalCandidate } from './candidate.ts';
import { candidatePriority, MAX_LOCAL_PREFERENCE } from './candidate-priority.ts';
import { IceAgent } from './ice-agent.ts';
import type { IceOutput } from './ice-io.ts';
import type { IceRole } from './ice-role.ts';

interface Place {
  readonly base: CandidateBase;
  readonly address: TransportAddress;
  readonly kind: CandidateKind;
}

/** One way for a time, in milliseconds; undefined where nothing gets through. */
type Delay = (from: Place, to: Place) => number | undefined;

class Peer {
  readonly agent: IceAgent;
  readonly remotes: TransportAddress[] = [];
  readonly places: Place[] = [];
  other: Peer | undefined;

  constructor(
    private readonly clock: VirtualClock,
    role: IceRole,
    private readonly delay: Delay,
  ) {
    this.agent = new IceAgent({ crypto: nodeCrypto, role });
  }

  add(place: Place, preference = MAX_LOCAL_PREFERENCE): void {
    this.places.push(place);
    const { base, address, kind } = place;
    const priority = candidatePriority(kind, preference);
    const candidate: LocalCandidate = { kind, address, base, priority, foundation: base.id };
    this.perform(this.agent.handle({ kind: 'local-candidate', candidate }, this.clock.now));
  }

  hear({ agent }: Peer): void {
    const [credentials, candidates] = [agent.localCredentials, agent.localCandidates()];
    this.perform(this.agent.handle({ kind: 'remote-credentials', credentials, candidates }, this.clock.now));
  }

  /** Keeps the timer of the agent for that long. */
  run(ms: number): void {
    const due = this.agent.nextTimeoutAt();
    if (due !== undefined && due <= this.clock.now) this.perform(this.agent.handleTimeout(this.clock.now));
    if (ms > 0) this.clock.schedule(STEP_MS, () => this.run(ms - STEP_MS));
  }

  private perform(outputs: readonly IceOutput[]): void {
    for (const output of outputs) {
      if (output.kind === 'path') this.remotes.push(output.path.remote);
      if (output.kind === 'send') this.send(output);
    }
  }

  private send({ base, to, bytes }: Extract<IceOutput, { kind: 'send' }>): void {
    const from = this.places.find((place) => place.base.id === base.id);
    const target = this.other?.places.find(
      ({ address }) => transportAddressKey(address) === transportAddressKey(to),
    );
    const ms = from && target && this.delay(from, target);
    if (!from || !target || ms === undefined) return;
    this.clock.schedule(ms, (now) => {
      const datagram = { kind: 'datagram', base: target.base, from: from.address, bytes } as const;
      this.other?.perform(this.other.agent.handle(datagram, now));
    });
  }
}

const STEP_MS = 5;

function place(id: string, kind: CandidateKind, address: string): Place {
  const base: CandidateBase = { id, kind: kind === 'relayed' ? 'relay' : 'socket', family: 'ipv4' };
  return { base, kind, address: transportAddress(address, 4000) };
}

function pairOf(delay: Delay) {
  const clock = new VirtualClock();
  const [caller, callee] = [new Peer(clock, 'controlling', delay), new Peer(clock, 'controlled', delay)];
  caller.other = callee;
  callee.other = caller;
  const advance = (ms: number): void => {
    caller.run(ms);
    callee.run(ms);
    clock.advance(ms);
  };
  const meet = (): void => {
    callee.hear(caller);
    caller.hear(callee);
  };
  return { caller, callee, advance, meet };
}

describe('a direct path that works', () => {
  const home = place('caller', 'host', '203.0.113.1');
  const first = place('first', 'host', '198.51.100.1');
  const second = place('second', 'host', '198.51.100.2');
  const relay = place('relay', 'relayed', '192.0.2.1');

  it('is not left for one that died, by what is remembered of its round trip', () => {
    const ms = { first: 10, second: 12 as number | undefined };
    const { caller, callee, advance, meet } = pairOf((from, to) =>
      [from, to].includes(second) ? ms.second : ms.first,
    );
    caller.add(home);
    callee.add(first);
    callee.add(second, MAX_LOCAL_PREFERENCE - 1);
    meet();
    advance(3_000);
    expect(caller.agent.path?.remote).toEqual(first.address);
    const before = caller.remotes.length;

    ms.second = undefined;
    // As on a machine that is busy.
    ms.first = 60;
    advance(25_000);

    expect(caller.agent.path?.rttMs).toBeGreaterThan(36);
    expect(caller.remotes.slice(before)).toEqual([]);
  });

  it('is left for one that is clearly shorter, and answers', () => {
    const ms = { first: 10, second: 12 };
    const { caller, callee, advance, meet } = pairOf((from, to) =>
      [from, to].includes(second) ? ms.second : ms.first,
    );
    caller.add(home);
    callee.add(first);
    callee.add(second, MAX_LOCAL_PREFERENCE - 1);
    meet();
    advance(3_000);
    ms.first = 60;
    advance(25_000);

    expect(caller.agent.path?.remote).toEqual(second.address);
    expect(callee.agent.path?.local).toEqual(second.address);
  });

  it('is not left for a relay of the other end that signalling has not told of, which looks direct', () => {
    const { caller, callee, advance, meet } = pairOf((from, to) => ([from, to].includes(relay) ? 5 : 60));
    caller.add(home);
    callee.add(first);
    meet();
    advance(3_000);
    const before = caller.remotes.length;

    callee.add(relay);
    advance(10_000);

    expect(caller.agent.stats().remoteCandidates).toBe(2);
    expect(caller.agent.path).toMatchObject({ kind: 'direct', remote: first.address });
    expect(caller.remotes.slice(before)).toEqual([]);
  });
});
