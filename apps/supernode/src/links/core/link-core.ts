import type { NodeId } from '../../cluster/node-record.ts';
import { InboundStream } from './inbound-stream.ts';
import type { LinkFrame } from './link-frame.ts';
import type { LinkLimits } from './link-limits.ts';
import { OutboundStream } from './outbound-stream.ts';

/** Why a message will not be handled; where the receiver started anew it may have been, by the one before. */
export type LossReason = 'expired' | 'restarted' | 'closed';

export type LinkDropReason = 'duplicate' | 'earlier-incarnation' | 'for-another-incarnation';

export type LinkOutput =
  | {
      readonly kind: 'frame';
      readonly to: NodeId;
      readonly frame: LinkFrame<string>;
      readonly repeated: number;
    }
  | { readonly kind: 'deliver'; readonly from: NodeId; readonly body: unknown }
  /** They arrived and will not be reported as lost. */
  | { readonly kind: 'settled'; readonly ids: readonly number[] }
  | { readonly kind: 'lost'; readonly to: NodeId; readonly id: number; readonly reason: LossReason }
  /** Whatever was asked of its earlier incarnation will not be answered. */
  | { readonly kind: 'peer-restarted'; readonly peer: NodeId }
  | {
      readonly kind: 'drop';
      readonly from: NodeId;
      readonly reason: LinkDropReason;
      readonly count: number;
    };

interface Peer {
  readonly nodeId: NodeId;
  readonly outbound: OutboundStream;
  /** The highest that was heard of; undefined before the first word. */
  incarnation: number | undefined;
  inbound: InboundStream;
  /** It has said how far it has our stream: only then messages are numbered and sent. */
  isOpen: boolean;
  acknowledgeAt: number;
  /** When to ask who is there; Infinity while nothing is to be sent, or the link is open. */
  askAt: number;
  askAfterMs: number;
  lastUsedAt: number;
}

/**
 * The links of one supernode to all others, without I/O. A message is handled by the incarnation for which it was sent, once
 * and in its order, or reported as lost. What is sent in one turn leaves with {@link flush}, in as few frames as hold it.
 * `now` is milliseconds of a monotonic clock.
 */
export class LinkCore {
  private readonly peers = new Map<NodeId, Peer>();
  private lastId = 0;

  constructor(
    private readonly self: { readonly nodeId: NodeId; readonly incarnation: number },
    private readonly limits: LinkLimits,
  ) {}

  /** Messages that wait for any supernode. */
  get queued(): number {
    let queued = 0;
    for (const { outbound } of this.peers.values()) queued += outbound.length;
    return queued;
  }

  /** The id under which the message may be reported as lost; undefined when too much waits for this supernode. */
  send(to: NodeId, body: string, deadlineAt: number, now: number): number | undefined {
    const peer = this.peerOf(to, now);
    this.lastId += 1;
    if (!peer.outbound.push(this.lastId, body, deadlineAt)) return undefined;
    if (!peer.isOpen) peer.askAt = Math.min(peer.askAt, now);
    return this.lastId;
  }

  receive(frame: LinkFrame, now: number): LinkOutput[] {
    const { nodeId, incarnation } = this.self;
    if (frame.from === nodeId) return drop(frame, 'for-another-incarnation');
    const peer = this.peerOf(frame.from, now);
    peer.lastUsedAt = now;
    const known = peer.incarnation ?? 0;
    if (frame.incarnation < known) return drop(frame, 'earlier-incarnation');
    const outputs: LinkOutput[] = frame.incarnation > known ? this.begin(peer, frame.incarnation) : [];
    if (frame.to !== incarnation) {
      // Who asks, or wrote to the one before us, learns who is here; a later one of us answers for itself.
      if (frame.to === null || frame.to < incarnation) peer.acknowledgeAt = now;
      return frame.to === null ? outputs : [...outputs, ...drop(frame, 'for-another-incarnation')];
    }
    if (!peer.isOpen) outputs.push(...this.open(peer, frame.ack + 1));
    else {
      const ids = peer.outbound.acknowledge(frame.ack, now);
      if (ids.length > 0) outputs.push({ kind: 'settled', ids });
    }
    const { bodies, repeated, hasGap } = peer.inbound.receive(frame.base, frame.messages);
    if (frame.messages.length > 0) {
      // Who sends again, or sent what was lost, should know at once how far it got.
      const delay = repeated > 0 || hasGap ? 0 : this.limits.ackDelayMs;
      peer.acknowledgeAt = Math.min(peer.acknowledgeAt, now + delay);
    }
    if (repeated > 0) outputs.push(...drop(frame, 'duplicate', repeated));
    for (const body of bodies) outputs.push({ kind: 'deliver', from: peer.nodeId, body });
    return outputs;
  }

  /** A supernode is gone for good, as far as this one knows: nothing waits for it any more. */
  close(nodeId: NodeId): LinkOutput[] {
    const peer = this.peers.get(nodeId);
    if (!peer) return [];
    peer.askAt = Infinity;
    const lost = lostOf(peer, peer.outbound.abandon(), 'closed');
    return [...lost, { kind: 'peer-restarted', peer: nodeId }];
  }

  handleTimeout(now: number): LinkOutput[] {
    const outputs: LinkOutput[] = [];
    for (const peer of this.peers.values()) {
      if (this.timeoutOf(peer) > now) continue;
      outputs.push(...lostOf(peer, peer.outbound.expire(now), 'expired'));
      peer.outbound.timeOut(now);
    }
    return [...outputs, ...this.flush(now)];
  }

  /** What may leave now. */
  flush(now: number): LinkOutput[] {
    const outputs: LinkOutput[] = [];
    for (const peer of this.peers.values()) {
      if (peer.isOpen) this.flushStream(peer, now, outputs);
      else if (peer.outbound.length === 0) peer.askAt = Infinity;
      if (peer.acknowledgeAt <= now && peer.incarnation !== undefined) {
        outputs.push(this.frame(peer, peer.incarnation));
      }
      if (!peer.isOpen && peer.askAt <= now) {
        outputs.push(this.frame(peer, null));
        peer.askAt = now + peer.askAfterMs;
        peer.askAfterMs = Math.min(2 * peer.askAfterMs, this.limits.maxRetransmitMs);
      }
    }
    return outputs;
  }

  nextTimeoutAt(): number | undefined {
    let earliest = Infinity;
    for (const peer of this.peers.values()) earliest = Math.min(earliest, this.timeoutOf(peer));
    return earliest === Infinity ? undefined : earliest;
  }

  private flushStream(peer: Peer, now: number, outputs: LinkOutput[]): void {
    while (peer.outbound.hasUnsent && peer.incarnation !== undefined) {
      const { base, messages, repeated } = peer.outbound.take(now);
      outputs.push({ ...this.frame(peer, peer.incarnation, base, messages), repeated });
      peer.lastUsedAt = now;
    }
  }

  private frame(
    peer: Peer,
    to: number | null,
    base = peer.isOpen ? peer.outbound.base : 1,
    messages: LinkFrame<string>['messages'] = [],
  ): Extract<LinkOutput, { kind: 'frame' }> {
    if (to !== null) peer.acknowledgeAt = Infinity;
    const { nodeId: from, incarnation } = this.self;
    const frame = { from, incarnation, to, ack: peer.inbound.received, base, messages };
    return { kind: 'frame', to: peer.nodeId, frame, repeated: 0 };
  }

  private timeoutOf({ outbound, acknowledgeAt, askAt }: Peer): number {
    return Math.min(outbound.nextTimeoutAt, acknowledgeAt, askAt);
  }

  /** The first word of an incarnation. */
  private begin(peer: Peer, incarnation: number): LinkOutput[] {
    const isRestart = peer.incarnation !== undefined;
    peer.incarnation = incarnation;
    peer.inbound = new InboundStream(this.limits.window);
    peer.isOpen = false;
    if (peer.outbound.length > 0) peer.askAt = Math.min(peer.askAt, peer.lastUsedAt);
    return isRestart ? [{ kind: 'peer-restarted', peer: peer.nodeId }] : [];
  }

  private open(peer: Peer, firstSequence: number): LinkOutput[] {
    const lost = peer.outbound.restart(firstSequence);
    peer.isOpen = true;
    peer.askAt = Infinity;
    peer.askAfterMs = this.limits.retransmitMs;
    return lostOf(peer, lost, 'restarted');
  }

  private peerOf(nodeId: NodeId, now: number): Peer {
    const known = this.peers.get(nodeId);
    if (known) return known;
    this.forgetUnused(now);
    const peer: Peer = {
      nodeId,
      outbound: new OutboundStream(this.limits),
      incarnation: undefined,
      inbound: new InboundStream(this.limits.window),
      isOpen: false,
      acknowledgeAt: Infinity,
      askAt: Infinity,
      askAfterMs: this.limits.retransmitMs,
      lastUsedAt: now,
    };
    this.peers.set(nodeId, peer);
    return peer;
  }

  private forgetUnused(now: number): void {
    for (const [nodeId, { outbound, lastUsedAt }] of this.peers) {
      if (outbound.length === 0 && lastUsedAt + this.limits.forgetAfterMs <= now) this.peers.delete(nodeId);
    }
  }
}

function lostOf({ nodeId }: Peer, ids: readonly number[], reason: LossReason): LinkOutput[] {
  return ids.map((id) => ({ kind: 'lost', to: nodeId, id, reason }));
}

function drop({ from }: LinkFrame, reason: LinkDropReason, count = 1): LinkOutput[] {
  return [{ kind: 'drop', from, reason, count }];
}
