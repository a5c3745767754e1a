/**
 * What precedes the bytes of a connection that one listener of this supernode passes to another inside of it: version 2 of
 * the PROXY protocol, with the true ends of the connection, and a secret in a TLV of the range for custom use.
 *
 *     0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A | 21 | 11 or 21 | length 16 |
 *     client address | server address | client port 16 | server port 16 | E0 | length 16 | secret
 */
import { formatIpAddress, parseIpAddress, type TransportAddress } from '@parley/nat';

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const VERSION_2_PROXY = 0x21;
const STREAM_FAMILY = { ipv4: 0x11, ipv6: 0x21 } as const;
const SECRET_TLV = 0xe0;
const FIXED_BYTES = 16;
const TLV_HEADER_BYTES = 3;

export interface SpliceHeader {
  readonly client: TransportAddress;
  readonly server: TransportAddress;
  readonly secret: Uint8Array;
}

export type DecodedSpliceHeader =
  | { readonly kind: 'header'; readonly header: SpliceHeader; readonly length: number }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed' };

/** Both addresses are of one family. */
export function encodeSpliceHeader({ client, server, secret }: SpliceHeader): Uint8Array {
  const addresses = [client, server].map(({ address }) => parseIpAddress(address) ?? new Uint8Array(0));
  const body = Uint8Array.from([
    ...addresses.flatMap((bytes) => [...bytes]),
    ...uint16(client.port),
    ...uint16(server.port),
    SECRET_TLV,
    ...uint16(secret.length),
    ...secret,
  ]);
  const family = STREAM_FAMILY[client.family];
  return Uint8Array.from([...SIGNATURE, VERSION_2_PROXY, family, ...uint16(body.length), ...body]);
}

/** Takes exactly what {@link encodeSpliceHeader} makes. */
export function decodeSpliceHeader(bytes: Uint8Array): DecodedSpliceHeader {
  const seen = Math.min(bytes.length, SIGNATURE.length);
  if (!SIGNATURE.subarray(0, seen).every((byte, at) => byte === bytes[at])) return { kind: 'malformed' };
  if (bytes.length < FIXED_BYTES) return { kind: 'incomplete' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const family = bytes[13] === STREAM_FAMILY.ipv4 ? 'ipv4' : 'ipv6';
  const addressBytes = family === 'ipv4' ? 4 : 16;
  const tlvAt = FIXED_BYTES + 2 * addressBytes + 4;
  const length = FIXED_BYTES + view.getUint16(14);
  const isOurs = bytes[12] === VERSION_2_PROXY && bytes[13] === STREAM_FAMILY[family];
  if (!isOurs || length < tlvAt + TLV_HEADER_BYTES) return { kind: 'malformed' };
  if (bytes.length < length) return { kind: 'incomplete' };
  const secretAt = tlvAt + TLV_HEADER_BYTES;
  const isSecretLast = bytes[tlvAt] === SECRET_TLV && view.getUint16(tlvAt + 1) === length - secretAt;
  if (!isSecretLast) return { kind: 'malformed' };
  const end = (index: 0 | 1): TransportAddress => {
    const at = FIXED_BYTES + index * addressBytes;
    return {
      family,
      address: formatIpAddress(bytes.subarray(at, at + addressBytes)),
      port: view.getUint16(FIXED_BYTES + 2 * addressBytes + 2 * index),
    };
  };
  const header = { client: end(0), server: end(1), secret: bytes.slice(secretAt, length) };
  return { kind: 'header', header, length };
}

function uint16(value: number): readonly [number, number] {
  return [(value >> 8) & 0xff, value & 0xff];
}
