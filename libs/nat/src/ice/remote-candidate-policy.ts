import { parseIpAddress, parseTransportAddress } from '../net/ip-address.ts';
import type { AddressFamily, TransportAddress } from '../net/transport-address.ts';
import type { IceCandidate } from './candidate.ts';

/** Why a candidate of the peer is not used. */
export type CandidateRefusal =
  | 'candidate-mdns'
  | 'candidate-invalid-address'
  | 'candidate-port-zero'
  | 'candidate-unspecified'
  | 'candidate-multicast'
  | 'candidate-loopback'
  | 'candidate-link-local'
  | 'candidate-invalid';

export type AddressScope = 'unspecified' | 'multicast' | 'loopback' | 'link-local' | 'unicast';

const MAX_PRIORITY = 2 ** 31 - 1;
const FOUNDATION = /^[A-Za-z0-9+/]{1,32}$/;
const IPV4_MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** The sort of an address in bytes (RFC 6890 and 4291); 0.0.0.0/8 counts as unspecified, 255.255.255.255 as multicast. */
export function addressScope(bytes: Uint8Array): AddressScope {
  const first = bytes[0] ?? 0;
  const second = bytes[1] ?? 0;
  if (bytes.length === 4) {
    if (first === 0) return 'unspecified';
    if (first === 127) return 'loopback';
    if (first === 169 && second === 254) return 'link-local';
    return first >= 224 && (first < 240 || first === 255) ? 'multicast' : 'unicast';
  }
  if (first === 0xff) return 'multicast';
  if (first === 0xfe && (second & 0xc0) === 0x80) return 'link-local';
  if (bytes.subarray(0, 15).every((byte) => byte === 0)) {
    if (bytes[15] === 0) return 'unspecified';
    if (bytes[15] === 1) return 'loopback';
  }
  return 'unicast';
}

/** The scope of an address in canonical text. */
export function scopeOf(address: TransportAddress): AddressScope {
  const bytes = parseIpAddress(address.address);
  return bytes === undefined ? 'unspecified' : addressScope(bytes);
}

/** Own loopback and link-local candidates, by family: they decide which of the peer's make sense. */
export interface OwnScopes {
  has(scope: AddressScope, family: AddressFamily): boolean;
}

export type CandidateCheck =
  | { readonly ok: true; readonly candidate: IceCandidate }
  | { readonly ok: false; readonly reason: CandidateRefusal };

/**
 * What a peer says about itself is untrusted: it decides where our checks go. Names are never resolved (an mDNS name would
 * let a peer scan our network), and only addresses that can be a single host's are used.
 */
export function checkRemoteCandidate(candidate: IceCandidate, own: OwnScopes): CandidateCheck {
  const { address, port } = candidate.address;
  if (address.toLowerCase().endsWith('.local')) return refuse('candidate-mdns');
  const parsed = parseTransportAddress(address, port);
  const bytes = parseIpAddress(address);
  if (parsed === undefined || bytes === undefined || isIpv4Mapped(bytes))
    return refuse('candidate-invalid-address');
  if (parsed.port === 0) return refuse('candidate-port-zero');
  const scope = addressScope(bytes);
  if (scope === 'unspecified') return refuse('candidate-unspecified');
  if (scope === 'multicast') return refuse('candidate-multicast');
  if (scope === 'loopback' && !own.has('loopback', parsed.family)) return refuse('candidate-loopback');
  if (scope === 'link-local' && !own.has('link-local', parsed.family)) return refuse('candidate-link-local');
  const { kind, priority, foundation } = candidate;
  if (
    !Number.isInteger(priority) ||
    priority < 1 ||
    priority > MAX_PRIORITY ||
    !FOUNDATION.test(foundation)
  ) {
    return refuse('candidate-invalid');
  }
  return { ok: true, candidate: { kind, address: parsed, priority, foundation } };
}

function isIpv4Mapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && IPV4_MAPPED_PREFIX.every((byte, index) => bytes[index] === byte);
}

function refuse(reason: CandidateRefusal): CandidateCheck {
  return { ok: false, reason };
}
