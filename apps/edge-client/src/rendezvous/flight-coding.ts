import { decodeBase64url, encodeBase64url } from '@parley/protocol';
import { edgeError } from '../errors.ts';

/** QUIC packets as an offer or answer carries them. */
export function encodeFlight(packets: readonly Uint8Array[]): string[] {
  return packets.map(encodeBase64url);
}

/** @throws EDGE_FLIGHT_INVALID */
export function decodeFlight(packets: readonly string[]): readonly Uint8Array[] {
  return packets.map((text) => {
    const bytes = decodeBase64url(text);
    if (!bytes) throw edgeError('EDGE_FLIGHT_INVALID');
    return bytes;
  });
}
