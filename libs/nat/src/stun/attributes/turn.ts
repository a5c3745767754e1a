/** Attributes of TURN (RFC 8656 section 18) beside addresses and opaque bytes. */
import type { AddressFamily } from '../../net/transport-address.ts';
import { AttributeType } from '../attribute-type.ts';
import { addressFamilyNumber, addressFamilyOf } from './address-family.ts';
import { decoded, refused, type AttributeCodec } from './attribute-codec.ts';
import {
  flagAttribute,
  readUint32,
  requireRange,
  uint16Attribute,
  uint32Attribute,
  uint8Attribute,
} from './number.ts';

/** Section 18.1. The range 0x4000 to 0x4FFF is checked by the server, which answers 400 outside of it. */
export const ChannelNumber = uint16Attribute(AttributeType.CHANNEL_NUMBER);
/** Section 18.2, seconds. */
export const Lifetime = uint32Attribute(AttributeType.LIFETIME);
/** Section 18.7, a number of the IANA protocol registry; see {@link TransportProtocol}. */
export const RequestedTransport = uint8Attribute(AttributeType.REQUESTED_TRANSPORT);
/** Section 18.8. */
export const DontFragment = flagAttribute(AttributeType.DONT_FRAGMENT);
/** Section 18.5. */
export const RequestedAddressFamily = familyAttribute(AttributeType.REQUESTED_ADDRESS_FAMILY);
/** Section 18.11. */
export const AdditionalAddressFamily = familyAttribute(AttributeType.ADDITIONAL_ADDRESS_FAMILY);

export const TransportProtocol = { TCP: 6, UDP: 17 } as const;

export interface EvenPortValue {
  /** Ask the server to keep the next higher port for a later allocation. */
  readonly reserveNext: boolean;
}

/** Section 18.6: one byte whose first bit is R. */
export const EvenPort: AttributeCodec<EvenPortValue> = {
  type: AttributeType.EVEN_PORT,
  encode: ({ reserveNext }) => Uint8Array.of(reserveNext ? 0x80 : 0),
  decode: (value) =>
    value.length === 1
      ? decoded({ reserveNext: ((value[0] as number) & 0x80) !== 0 })
      : refused('wrong-length'),
};

export interface IcmpValue {
  readonly icmpType: number;
  readonly icmpCode: number;
  /** The MTU of the next hop for "fragmentation needed" and "packet too big", else 0. */
  readonly errorData: number;
}

/** Section 18.13: 16 reserved bits, 7 of type, 9 of code, 32 of error data. */
export const Icmp: AttributeCodec<IcmpValue> = {
  type: AttributeType.ICMP,
  encode: ({ icmpType, icmpCode, errorData }) => {
    requireRange(icmpType, 0x7f);
    requireRange(icmpCode, 0x1ff);
    requireRange(errorData, 0xffffffff);
    const value = new Uint8Array(8);
    const view = new DataView(value.buffer);
    view.setUint16(2, (icmpType << 9) | icmpCode);
    view.setUint32(4, errorData);
    return value;
  },
  decode: (value) => {
    if (value.length !== 8) return refused('wrong-length');
    const typeAndCode = ((value[2] as number) << 8) | (value[3] as number);
    return decoded({
      icmpType: typeAndCode >>> 9,
      icmpCode: typeAndCode & 0x1ff,
      errorData: readUint32(value.subarray(4)),
    });
  },
};

function familyAttribute(type: number): AttributeCodec<AddressFamily> {
  return {
    type,
    encode: (family) => Uint8Array.of(addressFamilyNumber(family), 0, 0, 0),
    decode: (value) => {
      if (value.length !== 4) return refused('wrong-length');
      const family = addressFamilyOf(value[0] as number);
      return family === undefined ? refused('unknown-address-family') : decoded(family);
    },
  };
}
