/** Attributes of NAT behaviour discovery (RFC 5780 section 7) beside its addresses and PADDING. */
import { AttributeType } from '../attribute-type.ts';
import { decoded, refused, type AttributeCodec } from './attribute-codec.ts';
import { readUint32, uint16Attribute } from './number.ts';

const CHANGE_IP = 0x04;
const CHANGE_PORT = 0x02;

export interface ChangeRequestValue {
  readonly changeAddress: boolean;
  readonly changePort: boolean;
}

/** Section 7.2: from which of its addresses and ports the server shall answer. */
export const ChangeRequest: AttributeCodec<ChangeRequestValue> = {
  type: AttributeType.CHANGE_REQUEST,
  encode: ({ changeAddress, changePort }) =>
    Uint8Array.of(0, 0, 0, (changeAddress ? CHANGE_IP : 0) | (changePort ? CHANGE_PORT : 0)),
  decode: (value) => {
    if (value.length !== 4) return refused('wrong-length');
    const flags = readUint32(value);
    return decoded({ changeAddress: (flags & CHANGE_IP) !== 0, changePort: (flags & CHANGE_PORT) !== 0 });
  },
};

/** Section 7.5: to which port of the same address the server shall answer. */
export const ResponsePort = uint16Attribute(AttributeType.RESPONSE_PORT);
