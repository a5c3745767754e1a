/**
 * STUN messages and ChannelData on a byte stream (RFC 8489 section 6.2.2, RFC 8656 section 12.5): both say their length in
 * their header, ChannelData is padded to a multiple of four bytes. A stream that is out of step can't be brought back into
 * step, so the first wrong header ends it.
 *
 *     0 0 | type 14 bits | length 16 | 0x2112A442 ...    STUN: 20 bytes and `length`, which is a multiple of 4
 *     0 1 | number 14    | length 16 | data, padding     ChannelData: 4 bytes, `length`, 0 to 3 of padding
 */
import { MAGIC_COOKIE } from '../stun/magic-cookie.ts';
import { CHANNEL_DATA_HEADER_BYTES, looksLikeChannelData } from './channel-data.ts';

const STUN_HEADER_BYTES = 20;
/** Enough to know what a message is and how long: of ChannelData, of STUN. */
const SHORT_PREFIX_BYTES = 4;
const PREFIX_BYTES = 8;
/** The longest message that a header can state: STUN with a length of 65,532; ChannelData is a little shorter. */
export const MAX_STREAM_MESSAGE_BYTES = STUN_HEADER_BYTES + 0xfffc;

export type StreamFault = 'not-turn' | 'message-too-long';

export type StreamFraming =
  | { readonly ok: true; readonly messages: readonly Uint8Array[] }
  /** `messages` came before the fault. */
  | { readonly ok: false; readonly messages: readonly Uint8Array[]; readonly fault: StreamFault };

/** Cuts a byte stream into messages; keeps less than one message between two chunks. */
export class StreamDeframer {
  /** Of one message; may be raised when it is known who sends. */
  maxMessageBytes: number;
  /** The beginning of a message, in a buffer that is as long as what is known of it. */
  #held = new Uint8Array(0);
  #heldBytes = 0;
  #fault: StreamFault | undefined;

  constructor(maxMessageBytes = MAX_STREAM_MESSAGE_BYTES) {
    this.maxMessageBytes = maxMessageBytes;
  }

  /** Bytes that wait for the rest of their message. */
  get pendingBytes(): number {
    return this.#heldBytes;
  }

  /** The messages that are complete now, without padding: views of `chunk` where they lie in it whole. */
  push(chunk: Uint8Array): StreamFraming {
    const messages: Uint8Array[] = [];
    let rest = chunk;
    while (rest.length > 0 && this.#fault === undefined) {
      const taken = this.#heldBytes === 0 ? this.#takeWhole(rest, messages) : 0;
      rest = rest.subarray(taken > 0 ? taken : this.#hold(rest, messages));
    }
    if (this.#fault === undefined) return { ok: true, messages };
    this.#letGo();
    return { ok: false, messages, fault: this.#fault };
  }

  /** How many bytes a message took that begins with `bytes` and lies in them whole; else 0. */
  #takeWhole(bytes: Uint8Array, messages: Uint8Array[]): number {
    const lengths = this.#lengthsOf(bytes);
    if (lengths === undefined || bytes.length < lengths.padded) return 0;
    messages.push(bytes.subarray(0, lengths.message));
    return lengths.padded;
  }

  /** Copies what is missing next: a few bytes must not keep a whole receive buffer alive, and none is copied twice. */
  #hold(bytes: Uint8Array, messages: Uint8Array[]): number {
    const held = this.#held.subarray(0, this.#heldBytes);
    const lengths = this.#lengthsOf(held);
    if (this.#fault !== undefined) return 0;
    const wanted = lengths?.padded ?? (held.length < SHORT_PREFIX_BYTES ? SHORT_PREFIX_BYTES : PREFIX_BYTES);
    if (this.#held.length < wanted) {
      this.#held = new Uint8Array(wanted);
      this.#held.set(held);
    }
    const part = bytes.subarray(0, wanted - held.length);
    this.#held.set(part, held.length);
    this.#heldBytes += part.length;
    const complete = this.#lengthsOf(this.#held.subarray(0, this.#heldBytes));
    if (complete !== undefined && this.#heldBytes === complete.padded) {
      messages.push(this.#held.subarray(0, complete.message));
      this.#letGo();
    }
    return part.length;
  }

  #lengthsOf(bytes: Uint8Array): Lengths | undefined {
    const lengths = lengthsOf(bytes);
    if (lengths === 'incomplete') return undefined;
    if (lengths === 'not-turn') this.#fault = lengths;
    else if (lengths.padded > this.maxMessageBytes) this.#fault = 'message-too-long';
    return this.#fault === undefined && lengths !== 'not-turn' ? lengths : undefined;
  }

  #letGo(): void {
    this.#held = new Uint8Array(0);
    this.#heldBytes = 0;
  }
}

/** A message as it goes onto a stream: ChannelData with its padding, STUN as it is. */
export function frameForStream(message: Uint8Array): Uint8Array {
  const padding = looksLikeChannelData(message) ? paddingOf(message.length) : 0;
  if (padding === 0) return message;
  const framed = new Uint8Array(message.length + padding);
  framed.set(message);
  return framed;
}

interface Lengths {
  readonly message: number;
  readonly padded: number;
}

function lengthsOf(bytes: Uint8Array): Lengths | 'incomplete' | 'not-turn' {
  const [first, , high, low] = bytes;
  if (first === undefined) return 'incomplete';
  if (first >> 6 > 1) return 'not-turn';
  if (high === undefined || low === undefined) return 'incomplete';
  const stated = (high << 8) | low;
  if (first >> 6 === 1) {
    const message = CHANNEL_DATA_HEADER_BYTES + stated;
    return { message, padded: message + paddingOf(message) };
  }
  if (stated % 4 !== 0) return 'not-turn';
  if (bytes.length < PREFIX_BYTES) return 'incomplete';
  const cookie = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);
  const message = STUN_HEADER_BYTES + stated;
  return cookie === MAGIC_COOKIE ? { message, padded: message } : 'not-turn';
}

function paddingOf(length: number): number {
  return (4 - (length % 4)) % 4;
}
