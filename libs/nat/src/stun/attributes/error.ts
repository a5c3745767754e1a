/**
 * ERROR-CODE (RFC 8489 section 14.8), ADDRESS-ERROR-CODE (RFC 8656 section 18.12) and UNKNOWN-ATTRIBUTES (RFC 8489 section 14.9).
 *
 *     |  reserved (ERROR-CODE) or family, 0 |class|     number        |
 *     |      reason phrase (UTF-8, variable)
 */
import { NatError } from '../../errors.ts';
import type { AddressFamily } from '../../net/transport-address.ts';
import { AttributeType } from '../attribute-type.ts';
import { decoded, refused, type AttributeCodec, type AttributeFailure } from './attribute-codec.ts';
import { requireRange } from './number.ts';
import { decodeUtf8, encodeUtf8 } from './text.ts';
import { addressFamilyNumber, addressFamilyOf } from './address-family.ts';

const HEADER_BYTES = 4;
const REASON_MAX_BYTES = 763;

export interface ErrorCodeValue {
  /** 300 to 699. */
  readonly code: number;
  readonly reason: string;
}

export interface AddressErrorCodeValue extends ErrorCodeValue {
  readonly family: AddressFamily;
}

export const ErrorCode: AttributeCodec<ErrorCodeValue> = {
  type: AttributeType.ERROR_CODE,
  encode: (value) => encodeError(value, 0),
  decode: (value) => {
    const error = decodeError(value);
    return 'ok' in error ? error : decoded(error);
  },
};

export const AddressErrorCode: AttributeCodec<AddressErrorCodeValue> = {
  type: AttributeType.ADDRESS_ERROR_CODE,
  encode: (value) => encodeError(value, addressFamilyNumber(value.family)),
  decode: (value) => {
    const error = decodeError(value);
    if ('ok' in error) return error;
    const family = addressFamilyOf(value[0] as number);
    return family === undefined ? refused('unknown-address-family') : decoded({ ...error, family });
  },
};

/** The comprehension-required types that a server did not know. */
export const UnknownAttributes: AttributeCodec<readonly number[]> = {
  type: AttributeType.UNKNOWN_ATTRIBUTES,
  encode: (types) => {
    const value = new Uint8Array(types.length * 2);
    for (const [index, type] of types.entries()) {
      requireRange(type, 0xffff);
      value[index * 2] = type >>> 8;
      value[index * 2 + 1] = type & 0xff;
    }
    return value;
  },
  decode: (value) => {
    if (value.length % 2 !== 0) return refused('wrong-length');
    const types: number[] = [];
    for (let index = 0; index < value.length; index += 2) {
      types.push(((value[index] as number) << 8) | (value[index + 1] as number));
    }
    return decoded(types);
  },
};

function encodeError({ code, reason }: ErrorCodeValue, firstByte: number): Uint8Array {
  requireRange(code, 699, 300);
  const text = encodeUtf8(reason);
  if (text.length > REASON_MAX_BYTES)
    throw new NatError('NAT_INVALID_ARGUMENT', 'The reason phrase is too long.');
  const value = new Uint8Array(HEADER_BYTES + text.length);
  value[0] = firstByte;
  value[2] = Math.floor(code / 100);
  value[3] = code % 100;
  value.set(text, HEADER_BYTES);
  return value;
}

function decodeError(value: Uint8Array): ErrorCodeValue | AttributeFailure {
  if (value.length < HEADER_BYTES) return refused('wrong-length');
  if (value.length > HEADER_BYTES + REASON_MAX_BYTES) return refused('too-long', HEADER_BYTES);
  const hundreds = (value[2] as number) & 0x07;
  const number = value[3] as number;
  if (hundreds < 3 || hundreds > 6) return refused('out-of-range', 2);
  if (number > 99) return refused('out-of-range', 3);
  const reason = decodeUtf8(value.subarray(HEADER_BYTES));
  if (reason === undefined) return refused('invalid-text', HEADER_BYTES);
  return { code: hundreds * 100 + number, reason };
}
