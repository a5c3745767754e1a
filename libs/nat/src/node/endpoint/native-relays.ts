import { encodeRelayData, relayIdHalf, RELAY_HEADER_BYTES } from '../../flow/flow-frame.ts';
import type { CandidateBase } from '../../ice/candidate.ts';
import { nativeRelayBase } from '../../ice/native-relay.ts';
import type { IcePath } from './ice-path.ts';

interface NativeRelay {
  readonly id: Uint8Array;
  readonly low: number;
  readonly base: CandidateBase;
  readonly path: IcePath;
}

/** The native relays of an endpoint: which path an id belongs to, and the framing. */
export class NativeRelays {
  readonly #relays = new Map<number, NativeRelay>();
  readonly #byBase = new Map<string, NativeRelay>();

  /** `id` has 8 bytes. `undefined` where the path has it already. */
  add(path: IcePath, id: Uint8Array): CandidateBase | undefined {
    const key = relayIdHalf(id, 0);
    if (this.#relays.has(key)) return undefined;
    const relay: NativeRelay = { id, low: relayIdHalf(id, 4), base: nativeRelayBase(id.join('.')), path };
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

  /** `undefined` for a relay that was given up. */
  wrap(base: CandidateBase, bytes: Uint8Array): Uint8Array | undefined {
    const relay = this.#byBase.get(base.id);
    return relay === undefined ? undefined : encodeRelayData(relay.id, bytes);
  }

  /** Through which relay the frame came; `undefined` for an unknown one. */
  baseOf(frame: Uint8Array): CandidateBase | undefined {
    const relay = frame.length > RELAY_HEADER_BYTES ? this.#relays.get(relayIdHalf(frame, 1)) : undefined;
    return relay?.low === relayIdHalf(frame, 5) ? relay.base : undefined;
  }
}
