/**
 * Frames on the control stream of a session, in both directions: length (4 bytes, big-endian), then that much UTF-8 JSON.
 * `message` is answered by `taken` with the same number, or by `refused`. Kinds that are not known are passed over.
 */
import { CLIENT_REQUESTS, LIMITS, messageIdSchema } from '@parley/protocol';
import { z } from 'zod';

/** As in a mailbox. */
const envelopeSchema = CLIENT_REQUESTS['message.send'].request.shape.copies.element.shape.envelope;

const frameSchema = z.discriminatedUnion('kind', [
  /** Opens the stream, so that the other end sees it. */
  z.object({ kind: z.literal('hello') }),
  z.object({
    kind: z.literal('message'),
    number: z.number().int().nonnegative(),
    messageId: messageIdSchema,
    envelope: envelopeSchema,
  }),
  /** The device keeps the message, whatever happens to it. */
  z.object({ kind: z.literal('taken'), number: z.number().int().nonnegative() }),
  /** The device cannot take it this way; a mailbox may. */
  z.object({ kind: z.literal('refused'), number: z.number().int().nonnegative() }),
]);
export type ControlFrame = z.infer<typeof frameSchema>;

const LENGTH_BYTES = 4;
/** The largest envelope in base64url, and the rest of the frame. */
const MAX_FRAME_BYTES = Math.ceil((LIMITS.maxSealedBytes * 4) / 3) + 1024;

export function encodeFrame(frame: ControlFrame): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(frame));
  const bytes = new Uint8Array(LENGTH_BYTES + json.length);
  new DataView(bytes.buffer).setUint32(0, json.length);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

/** What the bytes so far hold. `overlong`: the other end does not keep to the limit, and nothing after it can be read. */
export type DecodedFrame = ControlFrame | 'unknown' | 'malformed' | 'overlong';

/** Cuts a stream of bytes into frames. */
export class FrameDecoder {
  #rest: Uint8Array = new Uint8Array(0);

  push(bytes: Uint8Array): readonly DecodedFrame[] {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest, 0);
    all.set(bytes, this.#rest.length);
    const frames: DecodedFrame[] = [];
    let at = 0;
    while (all.length - at >= LENGTH_BYTES) {
      const length = new DataView(all.buffer).getUint32(at);
      if (length > MAX_FRAME_BYTES) return [...frames, 'overlong'];
      if (all.length - at - LENGTH_BYTES < length) break;
      frames.push(decodeFrame(all.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length)));
      at += LENGTH_BYTES + length;
    }
    this.#rest = all.slice(at);
    return frames;
  }
}

const kindSchema = z.looseObject({ kind: z.string() });
const KNOWN_KINDS: ReadonlySet<string> = new Set(frameSchema.options.map(({ shape }) => shape.kind.value));

function decodeFrame(bytes: Uint8Array): DecodedFrame {
  const value = parseJson(bytes);
  const frame = frameSchema.safeParse(value);
  if (frame.success) return frame.data;
  const head = kindSchema.safeParse(value);
  return head.success && !KNOWN_KINDS.has(head.data.kind) ? 'unknown' : 'malformed';
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}
