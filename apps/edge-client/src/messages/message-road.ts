import type { Envelope, MessageId } from '@parley/protocol';

/** One copy of a message, on its way to one device. */
export interface SealedCopy {
  readonly messageId: MessageId;
  readonly envelope: Envelope;
}
