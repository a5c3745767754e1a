/**
 * PASSWORD-ALGORITHM (RFC 8489 section 14.12) and PASSWORD-ALGORITHMS (section 14.11): how the long-term key is derived.
 * Algorithms that this library does not know are kept by number, because a client must return the list as it received it.
 *
 *     |          algorithm            |       parameters length       |
 *     |                    parameters (variable, padded to 4)
 */
import { NatError } from '../../errors.ts';
import { AttributeType } from '../attribute-type.ts';
import { decoded, refused, type AttributeCodec } from './attribute-codec.ts';
import { requireRange } from './number.ts';

export const PasswordAlgorithmNumber = { MD5: 0x0001, SHA_256: 0x0002 } as const;

export interface PasswordAlgorithmValue {
  readonly algorithm: number;
  readonly parameters: Uint8Array;
}

const ENTRY_HEADER_BYTES = 4;

export const PasswordAlgorithm: AttributeCodec<PasswordAlgorithmValue> = {
  type: AttributeType.PASSWORD_ALGORITHM,
  encode: (value) => encodeEntries([value]),
  decode: (value) => {
    const entries = decodeEntries(value);
    const only = entries?.[0];
    return only === undefined || entries?.length !== 1 ? refused('wrong-length') : decoded(only);
  },
};

export const PasswordAlgorithms: AttributeCodec<readonly PasswordAlgorithmValue[]> = {
  type: AttributeType.PASSWORD_ALGORITHMS,
  encode: encodeEntries,
  decode: (value) => {
    const entries = decodeEntries(value);
    return entries === undefined || entries.length === 0 ? refused('wrong-length') : decoded(entries);
  },
};

function encodeEntries(entries: readonly PasswordAlgorithmValue[]): Uint8Array {
  if (entries.length === 0)
    throw new NatError('NAT_INVALID_ARGUMENT', 'At least one password algorithm is needed.');
  const value = new Uint8Array(
    entries.reduce((total, entry) => total + entryBytes(entry.parameters.length), 0),
  );
  let offset = 0;
  for (const { algorithm, parameters } of entries) {
    requireRange(algorithm, 0xffff);
    requireRange(parameters.length, 0xffff);
    value.set([algorithm >>> 8, algorithm & 0xff, parameters.length >>> 8, parameters.length & 0xff], offset);
    value.set(parameters, offset + ENTRY_HEADER_BYTES);
    offset += entryBytes(parameters.length);
  }
  return value;
}

function decodeEntries(value: Uint8Array): PasswordAlgorithmValue[] | undefined {
  const entries: PasswordAlgorithmValue[] = [];
  let offset = 0;
  while (offset < value.length) {
    if (offset + ENTRY_HEADER_BYTES > value.length) return undefined;
    const algorithm = ((value[offset] as number) << 8) | (value[offset + 1] as number);
    const length = ((value[offset + 2] as number) << 8) | (value[offset + 3] as number);
    const start = offset + ENTRY_HEADER_BYTES;
    if (start + length > value.length) return undefined;
    entries.push({ algorithm, parameters: value.subarray(start, start + length) });
    // The padding of the last entry may be missing: senders disagree on whether it belongs to the value.
    offset += entryBytes(length);
  }
  return entries;
}

function entryBytes(parametersLength: number): number {
  return ENTRY_HEADER_BYTES + Math.ceil(parametersLength / 4) * 4;
}
