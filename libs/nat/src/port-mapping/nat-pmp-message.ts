/** The messages of NAT-PMP (RFC 6886 section 3), which a gateway without PCP may speak on the same port. */
import { formatIpAddress } from '../net/ip-address.ts';

const VERSION = 0;
const RESPONSE_BIT = 0x80;
const OPCODE_EXTERNAL_ADDRESS = 0;
const OPCODE_MAP_UDP = 1;
const EXTERNAL_ADDRESS_BYTES = 12;
const MAPPING_BYTES = 16;
const SHORTEST_BYTES = 8;

/** RFC 6886 section 3.5; the others are errors alike. */
export const NatPmpResult = { SUCCESS: 0, UNSUPPORTED_VERSION: 1 } as const;

export interface NatPmpMapRequest {
  readonly internalPort: number;
  /** 0 in a deletion (section 3.4). */
  readonly suggestedPort: number;
  /** 0 deletes. */
  readonly lifetimeSeconds: number;
}

export type NatPmpResponse = { readonly result: number } & (
  | { readonly kind: 'error' }
  | { readonly kind: 'external-address'; readonly epochSeconds: number; readonly address: string }
  | {
      readonly kind: 'mapping';
      readonly epochSeconds: number;
      readonly internalPort: number;
      readonly externalPort: number;
      readonly lifetimeSeconds: number;
    }
);

export function encodeNatPmpExternalAddress(): Uint8Array {
  return Uint8Array.of(VERSION, OPCODE_EXTERNAL_ADDRESS);
}

export function encodeNatPmpMap({
  internalPort,
  suggestedPort,
  lifetimeSeconds,
}: NatPmpMapRequest): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  bytes[1] = OPCODE_MAP_UDP;
  view.setUint16(4, internalPort);
  view.setUint16(6, suggestedPort);
  view.setUint32(8, lifetimeSeconds);
  return bytes;
}

/** Undefined where the bytes are no NAT-PMP response. */
export function decodeNatPmpResponse(bytes: Uint8Array): NatPmpResponse | undefined {
  if (bytes.length < SHORTEST_BYTES || bytes[0] !== VERSION) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const opcode = view.getUint8(1);
  if ((opcode & RESPONSE_BIT) === 0) return undefined;
  const result = view.getUint16(2);
  if (result !== NatPmpResult.SUCCESS) return { kind: 'error', result };
  const epochSeconds = view.getUint32(4);
  switch (opcode & ~RESPONSE_BIT) {
    case OPCODE_EXTERNAL_ADDRESS:
      if (bytes.length < EXTERNAL_ADDRESS_BYTES) return undefined;
      return {
        kind: 'external-address',
        result,
        epochSeconds,
        address: formatIpAddress(bytes.subarray(8, 12)),
      };
    case OPCODE_MAP_UDP:
      if (bytes.length < MAPPING_BYTES) return undefined;
      return {
        kind: 'mapping',
        result,
        epochSeconds,
        internalPort: view.getUint16(8),
        externalPort: view.getUint16(10),
        lifetimeSeconds: view.getUint32(12),
      };
    default:
      return undefined;
  }
}
