/**
 * The messages of the Port Control Protocol (RFC 6887) that a client needs: MAP and ANNOUNCE, without options. Addresses have
 * 16 bytes on the wire, IPv4 as an IPv4-mapped one (section 5).
 */
import { formatIpAddress, parseIpAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';

/** Server and client port (RFC 6887 section 19.1), shared with NAT-PMP. */
export const PORT_MAPPING_SERVER_PORT = 5351;
export const PORT_MAPPING_CLIENT_PORT = 5350;

export const PCP_VERSION = 2;
export const PCP_NONCE_BYTES = 12;

const HEADER_BYTES = 24;
const MAP_BYTES = HEADER_BYTES + 36;
/** Section 7: a longer message, or one that is no multiple of four bytes, is malformed. */
const MAX_BYTES = 1100;
const RESPONSE_BIT = 0x80;
const OPCODE_ANNOUNCE = 0;
const OPCODE_MAP = 1;
/** IANA protocol number of UDP. */
const UDP = 17;
const IPV4_MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** Section 7.4. */
export const PcpResult = {
  SUCCESS: 0,
  UNSUPP_VERSION: 1,
  NOT_AUTHORIZED: 2,
  MALFORMED_REQUEST: 3,
  UNSUPP_OPCODE: 4,
  UNSUPP_OPTION: 5,
  MALFORMED_OPTION: 6,
  NETWORK_FAILURE: 7,
  NO_RESOURCES: 8,
  UNSUPP_PROTOCOL: 9,
  USER_EX_QUOTA: 10,
  CANNOT_PROVIDE_EXTERNAL: 11,
  ADDRESS_MISMATCH: 12,
  EXCESSIVE_REMOTE_PEERS: 13,
} as const;

export interface PcpMapRequest {
  /** 12 bytes that the server repeats, and demands for every later change (section 11.2). */
  readonly nonce: Uint8Array;
  /** The address that the request is sent from: the server compares them (section 8.1). */
  readonly client: string;
  readonly internalPort: number;
  /** What we would like to have outside; undefined in a deletion (section 15). */
  readonly suggested: TransportAddress | undefined;
  /** 0 deletes. */
  readonly lifetimeSeconds: number;
}

export interface PcpResponse {
  readonly kind: 'announce' | 'map' | 'other-version' | 'other-opcode';
  readonly version: number;
  readonly result: number;
  /** Of the mapping, or how long the same error is to be expected. */
  readonly lifetimeSeconds: number;
  readonly epochSeconds: number;
  /** Only of `map`. */
  readonly mapping?: PcpMappingBody;
}

export interface PcpMappingBody {
  readonly nonce: Uint8Array;
  readonly protocol: number;
  readonly internalPort: number;
  readonly external: TransportAddress;
}

export function encodePcpMap(request: PcpMapRequest): Uint8Array {
  const bytes = new Uint8Array(MAP_BYTES);
  const view = new DataView(bytes.buffer);
  writeHeader(bytes, OPCODE_MAP, request.lifetimeSeconds, request.client);
  bytes.set(request.nonce, 24);
  bytes[36] = UDP;
  view.setUint16(40, request.internalPort);
  view.setUint16(42, request.suggested?.port ?? 0);
  // Of the family that is wanted even when it is "any" (section 5).
  bytes.set(addressBytes(request.suggested?.address ?? '0.0.0.0'), 44);
  return bytes;
}

/** Asks for nothing but the epoch: whether the server still has its state (section 14.1). */
export function encodePcpAnnounce(client: string): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  writeHeader(bytes, OPCODE_ANNOUNCE, 0, client);
  return bytes;
}

/** Undefined where the bytes are no PCP response (section 8.3). */
export function decodePcpResponse(bytes: Uint8Array): PcpResponse | undefined {
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_BYTES || bytes.length % 4 !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const opcode = view.getUint8(1);
  if ((opcode & RESPONSE_BIT) === 0) return undefined;
  const header = {
    version: view.getUint8(0),
    result: view.getUint8(3),
    lifetimeSeconds: view.getUint32(4),
    epochSeconds: view.getUint32(8),
  };
  if (header.version !== PCP_VERSION) return { kind: 'other-version', ...header };
  const asked = opcode & ~RESPONSE_BIT;
  if (asked === OPCODE_ANNOUNCE) return { kind: 'announce', ...header };
  if (asked !== OPCODE_MAP) return { kind: 'other-opcode', ...header };
  if (bytes.length < MAP_BYTES) return undefined;
  return {
    kind: 'map',
    ...header,
    mapping: {
      nonce: bytes.slice(24, 24 + PCP_NONCE_BYTES),
      protocol: view.getUint8(36),
      internalPort: view.getUint16(40),
      external: readAddress(bytes.subarray(44, 60), view.getUint16(42)),
    },
  };
}

export function isUdpMapping(body: PcpMappingBody): boolean {
  return body.protocol === UDP;
}

function writeHeader(bytes: Uint8Array, opcode: number, lifetimeSeconds: number, client: string): void {
  bytes[0] = PCP_VERSION;
  bytes[1] = opcode;
  new DataView(bytes.buffer).setUint32(4, lifetimeSeconds);
  bytes.set(addressBytes(client), 8);
}

function addressBytes(text: string): Uint8Array {
  const parsed = parseIpAddress(text) ?? new Uint8Array(16);
  return parsed.length === 16 ? parsed : Uint8Array.from([...IPV4_MAPPED_PREFIX, ...parsed]);
}

function readAddress(bytes: Uint8Array, port: number): TransportAddress {
  const isIpv4 = IPV4_MAPPED_PREFIX.every((byte, at) => bytes[at] === byte);
  return isIpv4
    ? { family: 'ipv4', address: formatIpAddress(bytes.subarray(12)), port }
    : { family: 'ipv6', address: formatIpAddress(bytes), port };
}
