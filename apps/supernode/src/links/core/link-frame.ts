import type { NodeId } from '../../cluster/node-record.ts';

/** A message of a stream: its number, and its body or null for one that was given up and is skipped. */
export type SequencedMessage<Body> = readonly [sequence: number, body: Body | null];

/**
 * What one supernode publishes to another: the unsettled part of its stream to that one, and how far it has the stream in
 * the other direction. A frame without messages is an acknowledgement, or asks for one. Bodies leave as JSON texts and
 * arrive as what those say.
 */
export interface LinkFrame<Body = unknown> {
  readonly from: NodeId;
  /** Of the sender; grows with each of its starts. */
  readonly incarnation: number;
  /** Of the receiver, as far as the sender knows; null asks for it. */
  readonly to: number | null;
  /** All up to this number of the receiver's stream arrived. */
  readonly ack: number;
  /** All below this number of the sender's own stream is settled: arrived, or given up. */
  readonly base: number;
  readonly messages: readonly SequencedMessage<Body>[];
}

/** Bodies are not encoded a second time, however often they are sent. */
export function encodeFrame({ from, incarnation, to, ack, base, messages }: LinkFrame<string>): string {
  const sequenced = messages.map(([sequence, body]) => `[${sequence},${body ?? 'null'}]`);
  return `[${JSON.stringify(from)},${incarnation},${to ?? 'null'},${ack},${base},[${sequenced.join(',')}]]`;
}

/** Undefined for what is no frame. Supernodes trust each other, but a channel may carry what another version wrote. */
export function decodeFrame(text: string): LinkFrame | undefined {
  const parsed = parse(text);
  if (!Array.isArray(parsed)) return undefined;
  const [from, incarnation, to, ack, base, messages] = parsed as unknown[];
  if (typeof from !== 'string' || !isNumber(incarnation) || !isNumber(ack) || !isNumber(base))
    return undefined;
  if ((to !== null && !isNumber(to)) || !Array.isArray(messages)) return undefined;
  const isSequence = (messages as unknown[]).every((entry) => Array.isArray(entry) && isNumber(entry[0]));
  if (!isSequence) return undefined;
  return { from, incarnation, to, ack, base, messages: messages as SequencedMessage<unknown>[] };
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
