import { encodeRelayData, relayIdHalf, RELAY_HEADER_BYTES } from '../../flow/flow-frame.ts';
import type { CandidateBase } from '../../ice/candidate.ts';
import { nativeRelayBase } from '../../ice/native-relay.ts';
import type { IcePath } from './ice-path.ts';
import type { RegisteredFlow } from './registered-flow.ts';

interface NativeRelay {
  readonly id: Uint8Array;
  readonly low: number;
  readonly base: CandidateBase;
  readonly path: IcePath;
  /** The one that it was made with: it leads to the supernode that has the pair. */
  flow: RegisteredFlow | undefined;
}

/** The native relays of an endpoint: which path an id belongs to, and the framing. */
export class NativeRelays {
  readonly #relays = new Map<number, NativeRelay>();
  readonly #byBase = new Map<string, NativeRelay>();

  /** `id` has 8 bytes. `undefined` where the path has it already. */
  add(path: IcePath, id: Uint8Array, flow: RegisteredFlow | undefined): CandidateBase | undefined {
    const key = relayIdHalf(id, 0);
    if (this.#relays.has(key)) return undefined;
    const base = nativeRelayBase(id.join('.'), () => relay.flow?.server);
    const relay: NativeRelay = { id, low: relayIdHalf(id, 4), base, path, flow };
    this.#relays.set(key, relay);
    this.#byBase.set(relay.base.id, relay);
    return relay.base;
  }

  removePath(path: IcePath): void {
    for (const [key, relay] of this.#relays) {
      if (relay.path !== path) continue;
      this.#relays.delete(key);
      this.#byBase.delete(relay.base.id);
    }
  }

  isUsed(flow: RegisteredFlow): boolean {
    for (const relay of this.#relays.values()) if (relay.flow === flow) return true;
    return false;
  }

  /** A supernode knows us by another flow now; its relays stay. */
  move(from: RegisteredFlow | undefined, to: RegisteredFlow): void {
    for (const relay of this.#relays.values()) if (relay.flow === from) relay.flow = to;
  }

  /** False for a relay that was given up, or that no supernode can be reached for. */
  send(base: CandidateBase, bytes: Uint8Array): boolean {
    const relay = this.#byBase.get(base.id);
    return relay?.flow?.send(encodeRelayData(relay.id, bytes)) ?? false;
  }

  /** Through which relay of this flow the frame came; `undefined` for an unknown one. */
  baseOf(frame: Uint8Array, flow: RegisteredFlow): CandidateBase | undefined {
    const relay = frame.length > RELAY_HEADER_BYTES ? this.#relays.get(relayIdHalf(frame, 1)) : undefined;
    return relay?.low === relayIdHalf(frame, 5) && relay.flow === flow ? relay.base : undefined;
  }
}
