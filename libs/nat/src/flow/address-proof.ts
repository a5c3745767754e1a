/** Proof that a client receives at an address, without state: a token that only a datagram to that address carries. */
import { constantTimeEqual } from '../crypto/constant-time-equal.ts';
import type { NatCrypto } from '../crypto/crypto.port.ts';
import { transportAddressKey, type TransportAddress } from '../net/transport-address.ts';
import type { Instant } from '../time/instant.ts';
import { FLOW_TOKEN_BYTES, type FlowControlFrame } from './flow-frame.ts';

/** A token counts during the period that it was made in and the next one. */
const PERIOD_MS = 10_000;
const KEY_BYTES = 32;

export class AddressProof {
  readonly #crypto: NatCrypto;
  readonly #key: Uint8Array;

  constructor(crypto: NatCrypto) {
    this.#crypto = crypto;
    this.#key = crypto.randomBytes(KEY_BYTES);
  }

  issue(frame: FlowControlFrame, address: TransportAddress, now: Instant): Uint8Array {
    return this.#token(frame, address, periodAt(now));
  }

  verify(token: Uint8Array, frame: FlowControlFrame, address: TransportAddress, now: Instant): boolean {
    const period = periodAt(now);
    return [period, period - 1].some((at) => constantTimeEqual(this.#token(frame, address, at), token));
  }

  #token({ flowId, lane }: FlowControlFrame, address: TransportAddress, period: number): Uint8Array {
    const text = `${flowId.join()} ${lane} ${transportAddressKey(address)} ${period}`;
    return this.#crypto.hmacSha256(this.#key, new TextEncoder().encode(text)).subarray(0, FLOW_TOKEN_BYTES);
  }
}

function periodAt(now: Instant): number {
  return Math.floor(now / PERIOD_MS);
}
