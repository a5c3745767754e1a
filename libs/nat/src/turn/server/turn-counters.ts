import type { TurnDropReason, TurnServerOutput, TurnServerStats } from './turn-server-types.ts';

/** What a TURN server did, for metrics; the data path only increments. */
export class TurnCounters {
  allocationsCreated = 0;
  unauthenticatedReplies = 0;
  private peerDatagrams = 0;
  private peerBytes = 0;
  private clientDatagrams = 0;
  private clientBytes = 0;
  private readonly refusals = new Map<number, number>();
  private readonly drops = new Map<TurnDropReason, number>();
  /** One output object per reason: a flood that is dropped allocates nothing. */
  private readonly dropOutputs = new Map<TurnDropReason, TurnServerOutput>();

  relayedToPeer(bytes: number): void {
    this.peerDatagrams += 1;
    this.peerBytes += bytes;
  }

  relayedToClient(bytes: number): void {
    this.clientDatagrams += 1;
    this.clientBytes += bytes;
  }

  refused(code: number): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }

  drop(reason: TurnDropReason): TurnServerOutput {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
    let output = this.dropOutputs.get(reason);
    if (output === undefined) {
      output = { kind: 'drop', reason };
      this.dropOutputs.set(reason, output);
    }
    return output;
  }

  snapshot(allocations: number): TurnServerStats {
    return {
      allocations,
      allocationsCreated: this.allocationsCreated,
      toPeers: { datagrams: this.peerDatagrams, bytes: this.peerBytes },
      toClients: { datagrams: this.clientDatagrams, bytes: this.clientBytes },
      unauthenticatedReplies: this.unauthenticatedReplies,
      refusals: Object.fromEntries(this.refusals),
      drops: Object.fromEntries(this.drops),
    };
  }
}
