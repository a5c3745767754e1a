/**
 * The STUN message type (RFC 8489 section 5): the 12 bits of the method interleaved with the 2 bits of the class.
 *
 *      0                 1
 *      2  3  4 5 6 7 8 9 0 1 2 3 4 5
 *     |M |M |M|M|M|C|M|M|M|C|M|M|M|M|
 *     |11|10|9|8|7|1|6|5|4|0|3|2|1|0|
 */

/** Methods of the IANA registry that this library speaks. */
export const Method = {
  BINDING: 0x001,
  ALLOCATE: 0x003,
  REFRESH: 0x004,
  SEND: 0x006,
  DATA: 0x007,
  CREATE_PERMISSION: 0x008,
  CHANNEL_BIND: 0x009,
} as const;

export type MessageClass = 'request' | 'indication' | 'success' | 'error';

const CLASSES = ['request', 'indication', 'success', 'error'] as const satisfies readonly MessageClass[];

const CLASS_BITS: Readonly<Record<MessageClass, number>> = {
  request: 0,
  indication: 0x010,
  success: 0x100,
  error: 0x110,
};

/** The 14-bit type field. `method` is 0x000 to 0xFFF. */
export function encodeMessageType(messageClass: MessageClass, method: number): number {
  return (method & 0x00f) | ((method & 0x070) << 1) | ((method & 0xf80) << 2) | CLASS_BITS[messageClass];
}

export function decodeMessageClass(type: number): MessageClass {
  return CLASSES[((type >> 4) & 1) | ((type >> 7) & 2)] as MessageClass;
}

export function decodeMethod(type: number): number {
  return (type & 0x00f) | ((type >> 1) & 0x070) | ((type >> 2) & 0xf80);
}
