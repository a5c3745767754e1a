/**
 * The supernode's side of registered flows and of the relay between two of them (DESIGN 6.3, 6.6, 7). Who may have a flow and
 * which two flows are paired is told by the owner; datagrams only prove where a client is. What came without proof leaves no
 * state behind: a challenge is stateless, and an address counts once its token came back under the key of the flow.
 */
import type { NatCrypto } from '../crypto/crypto.port.ts';
import type { FiveTuple } from '../net/five-tuple.ts';
import { transportAddressKey, type TransportAddress } from '../net/transport-address.ts';
import { ReplyBudget } from '../stun/reply-budget.ts';
import type { Core } from '../time/core.ts';
import { after, type Instant } from '../time/instant.ts';
import { TimerQueue } from '../time/timer-queue.ts';
import { AddressProof } from './address-proof.ts';
import {
  addressBody,
  decodeFlowControl,
  encodeFlowControl,
  FlowFrameType,
  isFlowControlAuthentic,
  relayIdHalf,
  RELAY_HEADER_BYTES,
  tokenBody,
  tokenOf,
  type FlowControlFrame,
} from './flow-frame.ts';
import {
  CHALLENGE_BUDGET,
  DEFAULT_FLOW_LIMITS,
  REGISTRATION_GAP_MS,
  type FlowLimits,
} from './flow-limits.ts';
import { FlowRow, type FlowExpiry, type FlowLane } from './flow-row.ts';
import type {
  FlowDropReason,
  FlowServerControl,
  FlowServerEvent,
  FlowServerInput,
  FlowServerOptions,
  FlowServerOutput,
  FlowServerStats,
} from './flow-server-types.ts';
import { RelayPair } from './relay-pair.ts';

export class FlowServer implements Core<FlowServerInput, FlowServerOutput> {
  readonly #crypto: NatCrypto;
  readonly #limits: FlowLimits;
  readonly #proof: AddressProof;
  readonly #budget = new ReplyBudget(CHALLENGE_BUDGET);
  readonly #rows = new Map<string, FlowRow>();
  readonly #byFlowId = new Map<string, FlowRow>();
  /** One client per address: where a NAT gives a mapping to somebody else, the former client is not there any more. */
  readonly #byAddress = new Map<string, { readonly row: FlowRow; readonly lane: FlowLane }>();
  readonly #pairs = new Map<number, RelayPair>();
  readonly #timers = new TimerQueue<FlowExpiry>();
  readonly #drops = new Map<FlowDropReason, number>();
  #outputs: FlowServerOutput[] = [];
  #challenges = 0;
  #forwardedDatagrams = 0;
  #forwardedBytes = 0;

  constructor(options: FlowServerOptions) {
    this.#crypto = options.crypto;
    this.#limits = { ...DEFAULT_FLOW_LIMITS, ...options.limits };
    this.#proof = new AddressProof(options.crypto);
  }

  handle(input: FlowServerInput, now: Instant): readonly FlowServerOutput[] {
    if (input.kind === 'datagram') this.#receive(input.tuple, input.bytes, now);
    else this.#control(input, now);
    return this.#takeOutputs();
  }

  /**
   * The data path: whereto a data frame goes, as it is. Makes no objects; `undefined` is a counted drop. The address is the
   * sender's as the system spells it.
   */
  forward(bytes: Uint8Array, address: string, port: number, now: Instant): FiveTuple | undefined {
    const pair = bytes.length > RELAY_HEADER_BYTES ? this.#pairs.get(relayIdHalf(bytes, 1)) : undefined;
    if (pair === undefined || pair.low !== relayIdHalf(bytes, 5)) return this.#refuse('unknown-relay-id');
    const isFirst = pair.first.sends(address, port);
    if (!isFirst && !pair.second.sends(address, port)) return this.#refuse('not-a-party');
    const sender = isFirst ? pair.first : pair.second;
    const receiver = isFirst ? pair.second : pair.first;
    if (!sender.row.spend(bytes.length, this.#limits.bytesPerSecond, now))
      return this.#refuse('rate-exceeded');
    sender.sentAt = now;
    const { acceptedOfferMs, consentMs } = this.#limits;
    const isWanted =
      now - pair.openedAt <= acceptedOfferMs ||
      (receiver.sentAt !== undefined && now - receiver.sentAt <= consentMs);
    if (!isWanted) return this.#refuse('no-consent');
    const { tuple } = receiver;
    if (tuple === undefined) return this.#refuse('peer-unregistered');
    this.#forwardedDatagrams += 1;
    this.#forwardedBytes += bytes.length - RELAY_HEADER_BYTES;
    return tuple;
  }

  handleTimeout(now: Instant): readonly FlowServerOutput[] {
    for (let due = this.#timers.takeDue(now); due !== undefined; due = this.#timers.takeDue(now))
      this.#expire(due, now);
    return this.#takeOutputs();
  }

  nextTimeoutAt(): Instant | undefined {
    return this.#timers.nextAt();
  }

  stats(): FlowServerStats {
    let registeredFlows = 0;
    for (const row of this.#rows.values()) if (row.anyLane() !== undefined) registeredFlows += 1;
    return {
      flows: this.#rows.size,
      registeredFlows,
      relayPairs: this.#pairs.size,
      forwarded: { datagrams: this.#forwardedDatagrams, bytes: this.#forwardedBytes },
      challenges: this.#challenges,
      drops: Object.fromEntries(this.#drops),
    };
  }

  #control(input: FlowServerControl, now: Instant): void {
    switch (input.kind) {
      case 'open-flow':
        this.#openFlow(input.owner, input.flowId, input.key, now);
        break;
      case 'limit-flow':
        this.#limitFlow(input.owner, input.forMs, now);
        break;
      case 'close-flow':
        this.#closeFlow(this.#rows.get(input.owner));
        break;
      case 'open-relay-pair':
        this.#openPair(input.relayId, input.owners, now);
        break;
      case 'close-relay-pair': {
        const pair = this.#pairs.get(relayIdHalf(input.relayId, 0));
        if (pair?.low === relayIdHalf(input.relayId, 4)) this.#closePair(pair, 'closed');
        break;
      }
    }
  }

  #openFlow(owner: string, flowId: Uint8Array, key: Uint8Array, now: Instant): void {
    const known = this.#rows.get(owner);
    const row = known ?? new FlowRow(owner, flowId, key, this.#limits.bytesPerSecond, now);
    if (known !== undefined) {
      this.#byFlowId.delete(keyOf(known.flowId));
      known.flowId = flowId;
      known.key = key;
      for (const lane of known.lanes) lane.sequence = 0;
    }
    this.#rows.set(owner, row);
    this.#byFlowId.set(keyOf(flowId), row);
  }

  #limitFlow(owner: string, forMs: number | null, now: Instant): void {
    const row = this.#rows.get(owner);
    if (row === undefined) return;
    if (row.timer !== undefined) this.#timers.remove(row.timer);
    row.timer = forMs === null ? undefined : this.#timers.add({ kind: 'row', row }, after(now, forMs));
  }

  #closeFlow(row: FlowRow | undefined): void {
    if (row === undefined) return;
    for (const pair of [...row.pairs]) this.#closePair(pair, 'flow-ended');
    for (const lane of row.lanes) this.#leave(lane);
    if (row.timer !== undefined) this.#timers.remove(row.timer);
    this.#rows.delete(row.owner);
    this.#byFlowId.delete(keyOf(row.flowId));
    this.#emit({ kind: 'flow-ended', owner: row.owner, flowId: row.flowId });
  }

  #openPair(relayId: Uint8Array, owners: readonly [string, string], now: Instant): void {
    const [first, second] = owners.map((owner) => this.#rows.get(owner));
    // Half of the id is the key: the owner draws another one, where it cares.
    if (first === undefined || second === undefined || this.#pairs.has(relayIdHalf(relayId, 0))) {
      this.#drop('relay-pair-refused');
      this.#emit({ kind: 'relay-pair-ended', relayId, cause: 'flow-ended' });
      return;
    }
    const pair = new RelayPair(relayId, first, second, now);
    pair.timer = this.#timers.add({ kind: 'pair', pair }, after(now, this.#limits.idleRelayMs));
    this.#pairs.set(pair.high, pair);
    first.pairs.add(pair);
    second.pairs.add(pair);
  }

  #closePair(pair: RelayPair, cause: 'idle' | 'closed' | 'flow-ended'): void {
    this.#pairs.delete(pair.high);
    pair.first.row.pairs.delete(pair);
    pair.second.row.pairs.delete(pair);
    if (pair.timer !== undefined) this.#timers.remove(pair.timer);
    this.#emit({ kind: 'relay-pair-ended', relayId: pair.id, cause });
  }

  #receive(tuple: FiveTuple, bytes: Uint8Array, now: Instant): void {
    const frame = decodeFlowControl(bytes);
    if (frame === undefined) {
      this.#drop('malformed');
      return;
    }
    if (frame.type !== FlowFrameType.REGISTER) {
      this.#drop('unexpected-type');
      return;
    }
    // RFC 768 allows it, but no system sends an answer there: Node even throws.
    if (tuple.client.port === 0) {
      this.#drop('invalid-source');
      return;
    }
    const row = this.#byFlowId.get(keyOf(frame.flowId));
    if (row === undefined) {
      this.#drop('unknown-flow');
      return;
    }
    const lane = row.lane(frame.lane);
    const isKnown = lane.tuple !== undefined && isSame(lane.tuple.client, tuple.client);
    if (isKnown && lane.registeredAt !== undefined && now < after(lane.registeredAt, REGISTRATION_GAP_MS)) {
      this.#drop('registered-too-often');
      return;
    }
    // Before the MAC: whoever is where the client is not known to be may cost us so much and no more.
    if (!isKnown && !this.#budget.take(tuple.client, now)) {
      this.#drop('challenge-budget-exhausted');
      return;
    }
    if (!isFlowControlAuthentic(bytes, row.key, this.#crypto)) this.#drop('bad-mac');
    else if (frame.sequence <= lane.sequence) this.#drop('replayed');
    else if (isKnown || this.#isProven(frame, tuple.client, now)) this.#register(row, frame, tuple, now);
    else this.#challenge(row, frame, tuple, now);
  }

  #isProven(frame: FlowControlFrame, address: TransportAddress, now: Instant): boolean {
    const token = tokenOf(frame.body);
    return token !== undefined && this.#proof.verify(token, frame, address, now);
  }

  /** The sequence does not move yet: a copy of a datagram, sent from elsewhere, must not make the true one look old. */
  #challenge(row: FlowRow, frame: FlowControlFrame, to: FiveTuple, now: Instant): void {
    this.#challenges += 1;
    const body = tokenBody(this.#proof.issue(frame, to.client, now));
    this.#answer(row, { ...frame, type: FlowFrameType.CHALLENGE, body }, to);
  }

  #register(row: FlowRow, frame: FlowControlFrame, tuple: FiveTuple, now: Instant): void {
    const lane = row.lane(frame.lane);
    const before = lane.tuple;
    const isMove = before === undefined || !isSame(before.client, tuple.client);
    lane.sequence = frame.sequence;
    lane.registeredAt = now;
    if (isMove) {
      this.#leave(lane);
      this.#evict(tuple.client);
      this.#byAddress.set(transportAddressKey(tuple.client), { row, lane });
    }
    lane.tuple = tuple;
    const expiresAt = after(now, this.#limits.registrationMs);
    if (lane.timer === undefined) lane.timer = this.#timers.add({ kind: 'lane', row, lane }, expiresAt);
    else this.#timers.move(lane.timer, expiresAt);
    const body = addressBody(tuple.client, row.flowId);
    this.#answer(row, { ...frame, type: FlowFrameType.REGISTERED, body }, tuple);
    if (before?.client.address !== tuple.client.address) this.#observed(row);
  }

  #answer(row: FlowRow, frame: FlowControlFrame, to: FiveTuple): void {
    this.#outputs.push({ kind: 'send', to, bytes: encodeFlowControl(frame, row.key, this.#crypto) });
  }

  /** Somebody else has proven to be at this address. */
  #evict(client: TransportAddress): void {
    const former = this.#byAddress.get(transportAddressKey(client));
    if (former === undefined) return;
    this.#leave(former.lane);
    this.#observed(former.row);
  }

  #leave(lane: FlowLane): void {
    if (lane.tuple !== undefined) this.#byAddress.delete(transportAddressKey(lane.tuple.client));
    lane.tuple = undefined;
    if (lane.timer !== undefined) this.#timers.remove(lane.timer);
    lane.timer = undefined;
  }

  #observed(row: FlowRow): void {
    this.#emit({ kind: 'flow-observed', owner: row.owner, addresses: row.addresses() });
  }

  #expire(due: FlowExpiry, now: Instant): void {
    switch (due.kind) {
      case 'lane':
        this.#leave(due.lane);
        this.#observed(due.row);
        break;
      case 'row':
        this.#closeFlow(due.row);
        break;
      case 'pair': {
        const endsAt = after(due.pair.usedAt, this.#limits.idleRelayMs);
        if (endsAt <= now) this.#closePair(due.pair, 'idle');
        else due.pair.timer = this.#timers.add(due, endsAt);
        break;
      }
    }
  }

  #refuse(reason: FlowDropReason): FiveTuple | undefined {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + 1);
    return undefined;
  }

  #drop(reason: FlowDropReason): void {
    this.#refuse(reason);
    this.#outputs.push({ kind: 'drop', reason });
  }

  #emit(event: FlowServerEvent): void {
    this.#outputs.push({ kind: 'event', event });
  }

  #takeOutputs(): readonly FlowServerOutput[] {
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }
}

function keyOf(id: Uint8Array): string {
  return id.join();
}

function isSame(a: TransportAddress, b: TransportAddress): boolean {
  return a.port === b.port && a.address === b.address;
}
