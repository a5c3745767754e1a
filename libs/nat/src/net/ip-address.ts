/**
 * IP addresses: text to bytes and back. The canonical text is dotted decimal for IPv4 and RFC 5952 for IPv6 (lower case,
 * longest run of zero groups compressed, IPv4-mapped addresses in mixed notation). Text with a zone, leading zeros in
 * IPv4, or any second spelling that operating systems accept (octal, hex, short forms) is refused: two spellings of one
 * address are how peer filters get bypassed.
 */
import { NatError } from '../errors.ts';
import type { TransportAddress } from './transport-address.ts';

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
const IPV6_GROUPS = 8;
const DOT = 46;
const ZERO = 48;
const NINE = 57;
const HEX_GROUP = /^[0-9a-fA-F]{1,4}$/;

/** 4 or 16 bytes in network order, or `undefined` where the text is no IP address. */
export function parseIpAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

export function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(IPV4_BYTES);
  return readIpv4(text, bytes, 0) ? bytes : undefined;
}

export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  if (head === undefined) return undefined;
  if (halves.length === 1) {
    return head.length === IPV6_GROUPS ? groupsToBytes(head) : undefined;
  }
  const tail = parseGroups(halves[1] as string, true);
  if (tail === undefined || head.length + tail.length >= IPV6_GROUPS) return undefined;
  const zeros = new Array<number>(IPV6_GROUPS - head.length - tail.length).fill(0);
  return groupsToBytes([...head, ...zeros, ...tail]);
}

/** The canonical text of 4 or 16 bytes. */
export function formatIpAddress(bytes: Uint8Array): string {
  if (bytes.length === IPV4_BYTES) return formatIpv4(bytes, 0);
  if (bytes.length === IPV6_BYTES) return formatIpv6(bytes);
  throw new NatError('NAT_INVALID_ADDRESS', `An IP address has 4 or 16 bytes, not ${bytes.length}.`);
}

/** The canonical spelling of an address, or `undefined` where the text is no IP address. */
export function canonicalIpAddress(text: string): string | undefined {
  const bytes = parseIpAddress(text);
  return bytes === undefined ? undefined : formatIpAddress(bytes);
}

/** A transport address with its IP address in canonical form, or `undefined` where address or port is not valid. */
export function parseTransportAddress(address: string, port: number): TransportAddress | undefined {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) return undefined;
  const bytes = parseIpAddress(address);
  if (bytes === undefined) return undefined;
  return { family: bytes.length === IPV4_BYTES ? 'ipv4' : 'ipv6', address: formatIpAddress(bytes), port };
}

/** Like {@link parseTransportAddress}, for values that the program itself supplies. @throws NatError `NAT_INVALID_ADDRESS` */
export function transportAddress(address: string, port: number): TransportAddress {
  const parsed = parseTransportAddress(address, port);
  if (parsed === undefined) {
    throw new NatError('NAT_INVALID_ADDRESS', 'Not an IP address in text form with a port of 0 to 65535.');
  }
  return parsed;
}

function readIpv4(text: string, target: Uint8Array, offset: number): boolean {
  let part = 0;
  let digits = 0;
  let value = 0;
  for (let index = 0; index <= text.length; index += 1) {
    const code = index === text.length ? DOT : text.charCodeAt(index);
    if (code === DOT) {
      if (digits === 0 || part === IPV4_BYTES) return false;
      target[offset + part] = value;
      part += 1;
      digits = 0;
      value = 0;
    } else if (code >= ZERO && code <= NINE) {
      if (digits > 0 && value === 0) return false;
      value = value * 10 + (code - ZERO);
      digits += 1;
      if (value > 255) return false;
    } else {
      return false;
    }
  }
  return part === IPV4_BYTES;
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (HEX_GROUP.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const ipv4 = new Uint8Array(IPV4_BYTES);
    if (!mayEndInIpv4 || index !== parts.length - 1 || !readIpv4(part, ipv4, 0)) return undefined;
    groups.push(groupAt(ipv4, 0), groupAt(ipv4, 2));
  }
  return groups.length <= IPV6_GROUPS ? groups : undefined;
}

function groupsToBytes(groups: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(IPV6_BYTES);
  for (const [index, group] of groups.entries()) {
    bytes[index * 2] = group >>> 8;
    bytes[index * 2 + 1] = group & 0xff;
  }
  return bytes;
}

function formatIpv4(bytes: Uint8Array, offset: number): string {
  return `${byteAt(bytes, offset)}.${byteAt(bytes, offset + 1)}.${byteAt(bytes, offset + 2)}.${byteAt(bytes, offset + 3)}`;
}

function formatIpv6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let index = 0; index < IPV6_BYTES; index += 2) groups.push(groupAt(bytes, index));
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return `::ffff:${formatIpv4(bytes, 12)}`;
  }
  const run = longestZeroRun(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (run.length < 2) return text(groups);
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.start + run.length))}`;
}

/** RFC 5952 section 4.2.3: the first of the longest runs; the caller leaves a single zero group uncompressed. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let index = 0; index <= groups.length; index += 1) {
    if (index < groups.length && groups[index] === 0) continue;
    if (index - start > best.length) best = { start, length: index - start };
    start = index + 1;
  }
  return best;
}

function byteAt(bytes: Uint8Array, offset: number): number {
  return bytes[offset] as number;
}

function groupAt(bytes: Uint8Array, offset: number): number {
  return (byteAt(bytes, offset) << 8) | byteAt(bytes, offset + 1);
}
