import { NatError } from '../../errors.ts';
import { formatIpAddress, parseIpAddress } from '../../net/ip-address.ts';

/** An address range in CIDR notation, as bytes. */
export interface IpPrefix {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** `10.0.0.0/8`, `fc00::/7`, or a single address; `undefined` for anything else, also where bits beyond the prefix are set. */
export function parseIpPrefix(text: string): IpPrefix | undefined {
  const [address, length, ...rest] = text.trim().split('/');
  const bytes = parseIpAddress(address ?? '');
  if (bytes === undefined || rest.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length)))
    return undefined;
  const bits = length === undefined ? bytes.length * 8 : Number(length);
  if (bits > bytes.length * 8) return undefined;
  const prefix = { bytes, bits };
  return formatIpAddress(networkOf(prefix)) === formatIpAddress(bytes) ? prefix : undefined;
}

/** Like {@link parseIpPrefix}, for values that configuration supplies. @throws NatError `NAT_INVALID_ADDRESS` */
export function ipPrefix(text: string): IpPrefix {
  const prefix = parseIpPrefix(text);
  if (prefix === undefined)
    throw new NatError('NAT_INVALID_ADDRESS', 'Not an address range in CIDR notation.');
  return prefix;
}

/** An IPv4 address is never in an IPv6 range, nor the other way round: normalise first. */
export function prefixContains(prefix: IpPrefix, address: Uint8Array): boolean {
  if (prefix.bytes.length !== address.length) return false;
  const whole = prefix.bits >> 3;
  for (let index = 0; index < whole; index += 1) {
    if (prefix.bytes[index] !== address[index]) return false;
  }
  const rest = prefix.bits & 7;
  if (rest === 0) return true;
  const mask = 0xff << (8 - rest);
  return ((prefix.bytes[whole] ?? 0) & mask) === ((address[whole] ?? 0) & mask);
}

function networkOf({ bytes, bits }: IpPrefix): Uint8Array {
  return bytes.map((byte, index) => byte & (0xff << Math.min(8, Math.max(0, 8 - (bits - index * 8)))));
}
