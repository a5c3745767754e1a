/** Attributes whose value is bytes without inner structure. */
import { NatError } from '../../errors.ts';
import { AttributeType } from '../attribute-type.ts';
import { uint32Attribute } from './number.ts';
import { decoded, refused, type AttributeCodec } from './attribute-codec.ts';

const MAX_VALUE_BYTES = 0xffff;

/** RFC 8489 section 14.5: HMAC-SHA1. Written by the builder, checked by `verifyMessageIntegrity`. */
export const MessageIntegrity = opaqueAttribute(AttributeType.MESSAGE_INTEGRITY, 20, 20);
/** RFC 8489 section 14.6: HMAC-SHA256, may be truncated to a multiple of 4 of at least 16 bytes. */
export const MessageIntegritySha256 = opaqueAttribute(AttributeType.MESSAGE_INTEGRITY_SHA256, 16, 32, 4);
/** RFC 8489 section 14.4: SHA-256 of username and realm, sent in place of USERNAME. */
export const Userhash = opaqueAttribute(AttributeType.USERHASH, 32, 32);
/** RFC 8489 section 14.7: CRC-32 XOR 0x5354554E. */
export const Fingerprint = uint32Attribute(AttributeType.FINGERPRINT);
/** RFC 8656 section 18.4: the relayed payload. */
export const Data = opaqueAttribute(AttributeType.DATA, 0, MAX_VALUE_BYTES);
/** RFC 8656 section 18.9. */
export const ReservationToken = opaqueAttribute(AttributeType.RESERVATION_TOKEN, 8, 8);
/** RFC 5780 section 7.6: makes a message larger than a path's MTU. */
export const Padding = opaqueAttribute(AttributeType.PADDING, 0, MAX_VALUE_BYTES);

/** The decoded value is a view of the received datagram: copy it to keep it. */
function opaqueAttribute(
  type: number,
  minimum: number,
  maximum: number,
  step = 1,
): AttributeCodec<Uint8Array> {
  const fits = (length: number): boolean => length >= minimum && length <= maximum && length % step === 0;
  return {
    type,
    encode: (value) => {
      if (!fits(value.length)) {
        throw new NatError('NAT_INVALID_ARGUMENT', `The attribute carries ${minimum} to ${maximum} bytes.`);
      }
      return value;
    },
    decode: (value) => (fits(value.length) ? decoded(value) : refused('wrong-length')),
  };
}
