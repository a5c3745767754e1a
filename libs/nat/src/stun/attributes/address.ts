/**
 * Address attributes, plain (RFC 8489 section 14.1) and XORed (section 14.2):
 *
 *     |0 0 0 0 0 0 0 0|    family     |             port              |
 *     |                 address (32 or 128 bits)                      |
 *
 * The XOR form hides the address from middleboxes that rewrite addresses in payloads; its key is the magic cookie, then
 * the transaction id.
 */
import { NatError } from '../../errors.ts';
import { formatIpAddress, parseIpAddress } from '../../net/ip-address.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { AttributeType } from '../attribute-type.ts';
import { MAGIC_COOKIE } from '../magic-cookie.ts';
import { requireRange } from './number.ts';
import { decoded, refused, type AttributeCodec, type AttributeResult } from './attribute-codec.ts';

const FAMILY_IPV4 = 0x01;
const FAMILY_IPV6 = 0x02;
const HEADER_BYTES = 4;
const COOKIE_BYTES = 4;

export const MappedAddress = plainAddress(AttributeType.MAPPED_ADDRESS);
export const AlternateServer = plainAddress(AttributeType.ALTERNATE_SERVER);
export const ResponseOrigin = plainAddress(AttributeType.RESPONSE_ORIGIN);
export const OtherAddress = plainAddress(AttributeType.OTHER_ADDRESS);
export const XorMappedAddress = xorAddress(AttributeType.XOR_MAPPED_ADDRESS);
export const XorPeerAddress = xorAddress(AttributeType.XOR_PEER_ADDRESS);
export const XorRelayedAddress = xorAddress(AttributeType.XOR_RELAYED_ADDRESS);

function plainAddress(type: number): AttributeCodec<TransportAddress> {
  return { type, encode: encodeAddress, decode: decodeAddress };
}

function xorAddress(type: number): AttributeCodec<TransportAddress> {
  return {
    type,
    encode: (address, transactionId) => {
      const value = encodeAddress(address);
      applyXor(value, transactionId);
      return value;
    },
    decode: (value, transactionId) => {
      const plain = Uint8Array.from(value);
      applyXor(plain, transactionId);
      return decodeAddress(plain);
    },
  };
}

function encodeAddress({ address, port }: TransportAddress): Uint8Array {
  const bytes = parseIpAddress(address);
  if (bytes === undefined) {
    throw new NatError('NAT_INVALID_ADDRESS', 'A transport address needs an IP address in text form.');
  }
  requireRange(port, 0xffff);
  const value = new Uint8Array(HEADER_BYTES + bytes.length);
  value[1] = bytes.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6;
  value[2] = port >>> 8;
  value[3] = port & 0xff;
  value.set(bytes, HEADER_BYTES);
  return value;
}

function decodeAddress(value: Uint8Array): AttributeResult<TransportAddress> {
  if (value.length < HEADER_BYTES) return refused('wrong-length');
  const family = value[1];
  if (family !== FAMILY_IPV4 && family !== FAMILY_IPV6) return refused('unknown-address-family', 1);
  if (value.length !== HEADER_BYTES + (family === FAMILY_IPV4 ? 4 : 16))
    return refused('wrong-length', HEADER_BYTES);
  return decoded({
    family: family === FAMILY_IPV4 ? 'ipv4' : 'ipv6',
    address: formatIpAddress(value.subarray(HEADER_BYTES)),
    port: ((value[2] as number) << 8) | (value[3] as number),
  });
}

/** XORs port and address in place; applying it twice restores the value. */
function applyXor(value: Uint8Array, transactionId: Uint8Array): void {
  if (value.length < HEADER_BYTES) return;
  value[2] = (value[2] as number) ^ (MAGIC_COOKIE >>> 24);
  value[3] = (value[3] as number) ^ ((MAGIC_COOKIE >>> 16) & 0xff);
  for (let index = HEADER_BYTES; index < value.length; index += 1) {
    const position = index - HEADER_BYTES;
    const key =
      position < COOKIE_BYTES
        ? (MAGIC_COOKIE >>> (24 - 8 * position)) & 0xff
        : (transactionId[position - COOKIE_BYTES] ?? 0);
    value[index] = (value[index] as number) ^ key;
  }
}
