/**
 * Frames of the registered flow, on the STUN port of a supernode. Their first byte is one that RFC 7983 and RFC 9443 leave to
 * nobody (4 to 15), so STUN, ChannelData, QUIC and these share a port and a socket.
 *
 *     control   type (1) | flow id (8) | sequence (6) | lane (1) | body (19) | MAC (16)
 *     data      7 (1) | relay id (8) | payload
 *
 * All control frames have one size, so no answer is larger than what it answers. The MAC is HMAC-SHA256 over everything before
 * it, cut to 16 bytes, by the key of the flow. Bytes after a control frame make it malformed.
 */
import { constantTimeEqual } from '../crypto/constant-time-equal.ts';
import type { NatCrypto } from '../crypto/crypto.port.ts';
import { formatIpAddress, parseIpAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';

export const FlowFrameType = {
  /** From the client: this flow is at the source address of the datagram. */
  REGISTER: 4,
  /** To an address that is new for the flow: whoever gets this there repeats its token. */
  CHALLENGE: 5,
  /** The address counts from now on; the body says which one it is. */
  REGISTERED: 6,
  DATA: 7,
} as const;

export type FlowControlType = Exclude<(typeof FlowFrameType)[keyof typeof FlowFrameType], 7>;

export const FLOW_ID_BYTES = 8;
export const FLOW_KEY_BYTES = 32;
export const FLOW_BODY_BYTES = 19;
export const FLOW_TOKEN_BYTES = 16;
export const FLOW_CONTROL_BYTES = 51;
export const RELAY_ID_BYTES = 8;
export const RELAY_HEADER_BYTES = 1 + RELAY_ID_BYTES;
/** One socket of a client each: IPv4 and IPv6. */
export const FLOW_LANES = 2;

const FIRST_FLOW_BYTE = 4;
const LAST_FLOW_BYTE = 15;
const SEQUENCE_AT = 1 + FLOW_ID_BYTES;
const LANE_AT = SEQUENCE_AT + 6;
const BODY_AT = LANE_AT + 1;
const MAC_AT = BODY_AT + FLOW_BODY_BYTES;
const IPV4 = 4;
const IPV6 = 6;
const PORT_AT = 17;

export type FlowLaneNumber = 0 | 1;

export interface FlowControlFrame {
  readonly type: FlowControlType;
  readonly flowId: Uint8Array;
  /** Grows with every frame of a client, lane by lane; an answer repeats it. Up to 2^48 - 1. */
  readonly sequence: number;
  readonly lane: FlowLaneNumber;
  /** 19 bytes. */
  readonly body: Uint8Array;
}

/** RFC 7983: tested after STUN and ChannelData, before anything is parsed. */
export function looksLikeFlowFrame(datagram: Uint8Array): boolean {
  const first = datagram[0];
  return first !== undefined && first >= FIRST_FLOW_BYTE && first <= LAST_FLOW_BYTE;
}

export function encodeFlowControl(frame: FlowControlFrame, key: Uint8Array, crypto: NatCrypto): Uint8Array {
  const bytes = new Uint8Array(FLOW_CONTROL_BYTES);
  bytes[0] = frame.type;
  bytes.set(frame.flowId, 1);
  const view = new DataView(bytes.buffer);
  view.setUint16(SEQUENCE_AT, Math.floor(frame.sequence / 2 ** 32));
  view.setUint32(SEQUENCE_AT + 2, frame.sequence % 2 ** 32);
  bytes[LANE_AT] = frame.lane;
  bytes.set(frame.body, BODY_AT);
  bytes.set(macOf(bytes, key, crypto), MAC_AT);
  return bytes;
}

/** Not authenticated yet: see {@link isFlowControlAuthentic}. The parts are views. `undefined` for anything else. */
export function decodeFlowControl(bytes: Uint8Array): FlowControlFrame | undefined {
  if (bytes.length !== FLOW_CONTROL_BYTES) return undefined;
  const type = bytes[0];
  const lane = bytes[LANE_AT];
  if (lane !== 0 && lane !== 1) return undefined;
  if (
    type !== FlowFrameType.REGISTER &&
    type !== FlowFrameType.CHALLENGE &&
    type !== FlowFrameType.REGISTERED
  ) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    type,
    flowId: bytes.subarray(1, SEQUENCE_AT),
    sequence: view.getUint16(SEQUENCE_AT) * 2 ** 32 + view.getUint32(SEQUENCE_AT + 2),
    lane,
    body: bytes.subarray(BODY_AT, MAC_AT),
  };
}

/** For bytes that {@link decodeFlowControl} took. */
export function isFlowControlAuthentic(bytes: Uint8Array, key: Uint8Array, crypto: NatCrypto): boolean {
  return constantTimeEqual(macOf(bytes, key, crypto), bytes.subarray(MAC_AT));
}

/** A token of a challenge as a body, or no token. */
export function tokenBody(token?: Uint8Array): Uint8Array {
  const body = new Uint8Array(FLOW_BODY_BYTES);
  if (token !== undefined) body.set(token);
  return body;
}

/** `undefined` where the body has none. */
export function tokenOf(body: Uint8Array): Uint8Array | undefined {
  const token = body.subarray(0, FLOW_TOKEN_BYTES);
  return token.every((byte) => byte === 0) ? undefined : token;
}

/**
 * Family (1), address (16), port (2), mixed with the flow id: some NATs rewrite whatever looks like the address that they
 * translate (RFC 8489 section 14.2 has the same reason).
 */
export function addressBody(address: TransportAddress, flowId: Uint8Array): Uint8Array {
  const body = new Uint8Array(FLOW_BODY_BYTES);
  body[0] = address.family === 'ipv4' ? IPV4 : IPV6;
  body.set(parseIpAddress(address.address) ?? [], 1);
  body[PORT_AT] = address.port >> 8;
  body[PORT_AT + 1] = address.port & 0xff;
  return mixed(body, flowId);
}

export function addressOf(body: Uint8Array, flowId: Uint8Array): TransportAddress | undefined {
  const plain = mixed(body, flowId);
  const [version, ...rest] = plain;
  if (version !== IPV4 && version !== IPV6) return undefined;
  const bytes = Uint8Array.from(rest.slice(0, version === IPV4 ? 4 : 16));
  return {
    family: version === IPV4 ? 'ipv4' : 'ipv6',
    address: formatIpAddress(bytes),
    port: ((plain[PORT_AT] ?? 0) << 8) | (plain[PORT_AT + 1] ?? 0),
  };
}

export function encodeRelayData(relayId: Uint8Array, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(RELAY_HEADER_BYTES + payload.length);
  bytes[0] = FlowFrameType.DATA;
  bytes.set(relayId, 1);
  bytes.set(payload, RELAY_HEADER_BYTES);
  return bytes;
}

/** One of the two halves of a relay id, as a small integer: it is looked up for every datagram without making a string. */
export function relayIdHalf(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)
  );
}

function macOf(bytes: Uint8Array, key: Uint8Array, crypto: NatCrypto): Uint8Array {
  return crypto.hmacSha256(key, bytes.subarray(0, MAC_AT)).subarray(0, FLOW_CONTROL_BYTES - MAC_AT);
}

function mixed(body: Uint8Array, flowId: Uint8Array): Uint8Array {
  return body.map((byte, index) => byte ^ (flowId[index % FLOW_ID_BYTES] ?? 0));
}
