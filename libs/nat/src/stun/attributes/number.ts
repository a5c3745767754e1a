/** Codecs of fixed-width numbers; the named attributes are built from them. */
import { NatError } from '../../errors.ts';
import { decoded, refused, type AttributeCodec } from './attribute-codec.ts';

export function uint32Attribute(type: number): AttributeCodec<number> {
  return {
    type,
    encode: (value) => {
      requireRange(value, 0xffffffff);
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, value);
      return bytes;
    },
    decode: (value) => (value.length === 4 ? decoded(readUint32(value)) : refused('wrong-length')),
  };
}

export function uint64Attribute(type: number): AttributeCodec<bigint> {
  return {
    type,
    encode: (value) => {
      if (value < 0n || value > 0xffffffffffffffffn) throw outOfRange();
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value);
      return bytes;
    },
    decode: (value) => {
      if (value.length !== 8) return refused('wrong-length');
      return decoded(new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0));
    },
  };
}

/** 16 bits, then two reserved bytes that are zero when sent and ignored when received. */
export function uint16Attribute(type: number): AttributeCodec<number> {
  return {
    type,
    encode: (value) => {
      requireRange(value, 0xffff);
      return Uint8Array.of(value >>> 8, value & 0xff, 0, 0);
    },
    decode: (value) =>
      value.length === 4
        ? decoded(((value[0] as number) << 8) | (value[1] as number))
        : refused('wrong-length'),
  };
}

/** 8 bits, then three reserved bytes. */
export function uint8Attribute(type: number): AttributeCodec<number> {
  return {
    type,
    encode: (value) => {
      requireRange(value, 0xff);
      return Uint8Array.of(value, 0, 0, 0);
    },
    decode: (value) => (value.length === 4 ? decoded(value[0] as number) : refused('wrong-length')),
  };
}

/** An attribute without a value: that it is there is its meaning. */
export function flagAttribute(type: number): AttributeCodec<true> {
  return {
    type,
    encode: () => new Uint8Array(0),
    decode: (value) => (value.length === 0 ? decoded(true) : refused('wrong-length')),
  };
}

export function readUint32(value: Uint8Array): number {
  return (
    (((value[0] as number) << 24) |
      ((value[1] as number) << 16) |
      ((value[2] as number) << 8) |
      (value[3] as number)) >>>
    0
  );
}

export function requireRange(value: number, maximum: number, minimum = 0): void {
  if (!Number.isInteger(value) || value < minimum || value > maximum) throw outOfRange();
}

function outOfRange(): NatError {
  return new NatError('NAT_INVALID_ARGUMENT', 'The number does not fit the attribute.');
}
