import { constantTimeEqual } from '../../crypto/constant-time-equal.ts';
import type { NatCrypto } from '../../crypto/crypto.port.ts';
import { fiveTupleKey, type FiveTuple } from '../../net/five-tuple.ts';
import { after, type Instant } from '../../time/instant.ts';
import { encodeNonceCookie } from '../../stun/nonce-cookie.ts';
import { decodeBase64Url, encodeBase64Url } from '../base64.ts';

/**
 * Nonces that prove return-routability without a byte of state per client:
 *
 *     nonce cookie (RFC 8489 section 9.2) | base64url( seconds (4 bytes) | HMAC-SHA256(key, seconds, five-tuple)[0..12) )
 *
 * A nonce is valid for the five-tuple to which it was sent, for its
 * lifetime; the key is replaced once per lifetime and the one before is kept, so every nonce outlives exactly one rotation.
 */

/** PASSWORD-ALGORITHMS is offered, so a client that does not see it knows that somebody took it out. */
const HEAD = encodeNonceCookie({ passwordAlgorithms: true, usernameAnonymity: false });
const SECONDS_BYTES = 4;
const MAC_BYTES = 12;
const KEY_BYTES = 32;

export type NonceVerdict = 'valid' | 'stale';

export class NonceIssuer {
  private readonly crypto: NatCrypto;
  private readonly lifetimeMs: number;
  private current: Uint8Array;
  private previous: Uint8Array;
  private rotateAt: Instant | undefined;

  constructor(crypto: NatCrypto, lifetimeMs: number) {
    this.crypto = crypto;
    this.lifetimeMs = lifetimeMs;
    this.current = crypto.randomBytes(KEY_BYTES);
    this.previous = crypto.randomBytes(KEY_BYTES);
  }

  issue(tuple: FiveTuple, now: Instant): string {
    this.rotate(now);
    const seconds = encodeSeconds(now);
    const value = new Uint8Array(SECONDS_BYTES + MAC_BYTES);
    value.set(seconds);
    value.set(this.mac(this.current, seconds, tuple), SECONDS_BYTES);
    return HEAD + encodeBase64Url(value);
  }

  /** Foreign, forged, expired and issued to another five-tuple are one answer: the client gets a fresh one for itself. */
  verify(nonce: string, tuple: FiveTuple, now: Instant): NonceVerdict {
    this.rotate(now);
    if (!nonce.startsWith(HEAD)) return 'stale';
    const value = decodeBase64Url(nonce.slice(HEAD.length));
    if (value?.length !== SECONDS_BYTES + MAC_BYTES) return 'stale';
    const seconds = value.subarray(0, SECONDS_BYTES);
    const mac = value.subarray(SECONDS_BYTES);
    const ageMs = now - decodeSeconds(seconds) * 1000;
    if (ageMs >= this.lifetimeMs) return 'stale';
    const isOurs = [this.current, this.previous].some((key) =>
      constantTimeEqual(this.mac(key, seconds, tuple), mac),
    );
    return isOurs ? 'valid' : 'stale';
  }

  private rotate(now: Instant): void {
    this.rotateAt ??= after(now, this.lifetimeMs);
    if (now < this.rotateAt) return;
    // After two lifetimes of silence both keys are too old.
    this.previous =
      now - this.rotateAt >= this.lifetimeMs ? this.crypto.randomBytes(KEY_BYTES) : this.current;
    this.current = this.crypto.randomBytes(KEY_BYTES);
    this.rotateAt = after(now, this.lifetimeMs);
  }

  private mac(key: Uint8Array, seconds: Uint8Array, tuple: FiveTuple): Uint8Array {
    const text = new TextEncoder().encode(fiveTupleKey(tuple));
    const data = new Uint8Array(seconds.length + text.length);
    data.set(seconds);
    data.set(text, seconds.length);
    return this.crypto.hmacSha256(key, data).subarray(0, MAC_BYTES);
  }
}

function encodeSeconds(now: Instant): Uint8Array {
  const bytes = new Uint8Array(SECONDS_BYTES);
  new DataView(bytes.buffer).setUint32(0, Math.floor(now / 1000));
  return bytes;
}

function decodeSeconds(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, SECONDS_BYTES).getUint32(0);
}
