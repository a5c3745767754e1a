/**
 * Messages as they travel (DESIGN section 6, Messages): signed by the sender's device for exactly one other device, then
 * sealed to it. Opening believes nothing that the signature does not cover.
 */
import {
  conversationIdInput,
  decodeBase64url,
  decodePayload,
  encodeBase64url,
  LIMITS,
  messageSchema,
  signedSchema,
  type ConversationId,
  type Envelope,
  type Message,
  type MessageId,
  type Signed,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import { z } from 'zod';
import { edgeError } from '../errors.ts';
import { deviceIdOf, sha256, type KeyPair } from '../identity/keys.ts';
import { isSignatureValid, signPayload } from '../identity/signing.ts';
import type { Party } from '../rendezvous/signed-session.ts';
import type { E2eeProvider, SealingRecipient } from './e2ee-provider.ts';

/** How long a sender tries to deliver a message. */
export const OUTBOX_LIFETIME_MS = 7 * 24 * 3600_000;
/** The oldest message that is taken: sent at the end of the sender's patience, read at the end of the mailbox's. */
export const MAX_MESSAGE_AGE_MS = LIMITS.mailboxRetentionMs + OUTBOX_LIFETIME_MS;
/** Clocks of two devices, both set by their supernode, differ by less. */
export const MAX_CLOCK_LEAD_MS = 5 * 60_000;
/** Contents are padded to a multiple of this, so that their length tells less. */
const PADDING_BYTES = 256;
const SPACE = 0x20;

export type MessageRefusal =
  | 'unknown-scheme'
  | 'oversized'
  | 'not-for-us'
  | 'malformed'
  | 'wrong-signer'
  | 'bad-signature'
  | 'wrong-recipient'
  | 'wrong-sender'
  | 'wrong-message-id'
  | 'wrong-conversation'
  | 'too-old'
  | 'from-the-future';

/** Refusals that an honest sender and an honest supernode cannot cause. */
export const FORGERIES: ReadonlySet<MessageRefusal> = new Set<MessageRefusal>([
  'wrong-signer',
  'bad-signature',
  'wrong-recipient',
  'wrong-sender',
  'wrong-message-id',
  'wrong-conversation',
]);

/** A message whose content may be of a kind that is not known here. */
export type OpenedMessage = Omit<Message, 'content'> & {
  readonly content: Message['content'] | { readonly kind: 'unknown'; readonly payload: string };
};

export type Opened =
  | { readonly ok: true; readonly message: OpenedMessage }
  | { readonly ok: false; readonly reason: MessageRefusal };

/** What an envelope must fit to be believed. */
export interface MessageExpectation {
  readonly tenant: TenantId;
  readonly self: Party;
  /** As told by who brought it; the signature has to say the same. */
  readonly from: Party;
  readonly messageId: MessageId;
  /** Milliseconds since the epoch by the supernode's clock. */
  readonly now: number;
}

export function conversationIdOf(tenant: TenantId, a: UserId, b: UserId): ConversationId {
  return encodeBase64url(sha256(conversationIdInput(tenant, a, b))) as ConversationId;
}

/** One copy, for the device that the message names. @throws EDGE_MESSAGE_TOO_LARGE */
export async function sealMessage(
  message: Message,
  key: KeyPair,
  provider: E2eeProvider,
  recipient: SealingRecipient,
): Promise<Envelope> {
  const signed = signPayload('message', message, key);
  if (!signedSchema.safeParse(signed).success) throw edgeError('EDGE_MESSAGE_TOO_LARGE');
  const sealed = await provider.seal(padded(JSON.stringify(signed)), recipient);
  if (sealed.length > LIMITS.maxSealedBytes) throw edgeError('EDGE_MESSAGE_TOO_LARGE');
  return { scheme: provider.scheme, sealed: encodeBase64url(sealed) };
}

/**
 * Opens and checks one copy. `senderKey` is asked for the sending device's key in its user's verified list, only once the
 * envelope proved to be for us; undefined where that user has no such device.
 */
export async function openMessage(
  envelope: Envelope,
  providers: readonly E2eeProvider[],
  expected: MessageExpectation,
  senderKey: () => Promise<string | undefined>,
): Promise<Opened> {
  const provider = providers.find(({ scheme }) => scheme === envelope.scheme);
  if (!provider) return refused('unknown-scheme');
  const sealed = decodeBase64url(envelope.sealed);
  if (!sealed) return refused('malformed');
  if (sealed.length > LIMITS.maxSealedBytes) return refused('oversized');
  const plaintext = await provider.open(sealed);
  if (!plaintext) return refused('not-for-us');
  const signed = signedSchema.safeParse(parseJson(plaintext));
  if (!signed.success) return refused('malformed');
  if (signed.data.signer !== (await senderKey())) return refused('wrong-signer');
  if (!isSignatureValid('message', signed.data)) return refused('bad-signature');
  const message = decodeMessage(signed.data);
  return message ? checkMessage(message, expected) : refused('malformed');
}

/** The device id of a listed key. */
export function deviceIdOfListed(key: string) {
  return deviceIdOf(decodeBase64url(key) ?? new Uint8Array(0));
}

const headSchema = messageSchema.extend({ content: z.looseObject({ kind: z.string() }) });
const KNOWN_KINDS: ReadonlySet<string> = new Set(['text', 'receipt']);

function decodeMessage(signed: Signed): OpenedMessage | undefined {
  const head = decodePayload(headSchema, signed);
  if (head && !KNOWN_KINDS.has(head.content.kind)) {
    return { ...head, content: { kind: 'unknown', payload: signed.payload } };
  }
  return decodePayload(messageSchema, signed);
}

function checkMessage(message: OpenedMessage, expected: MessageExpectation): Opened {
  const { self, from, now, tenant } = expected;
  if (!isSameParty(message.to, self)) return refused('wrong-recipient');
  if (!isSameParty(message.from, from)) return refused('wrong-sender');
  if (message.messageId !== expected.messageId) return refused('wrong-message-id');
  const isBetweenUs = from.userId === self.userId || message.peer === self.userId;
  const isNamedRight = message.conversation === conversationIdOf(tenant, from.userId, message.peer);
  if (!isBetweenUs || !isNamedRight) return refused('wrong-conversation');
  if (now - message.sentAt > MAX_MESSAGE_AGE_MS) return refused('too-old');
  if (message.sentAt - now > MAX_CLOCK_LEAD_MS) return refused('from-the-future');
  return { ok: true, message };
}

function isSameParty(a: Party, b: Party): boolean {
  return a.userId === b.userId && a.deviceId === b.deviceId;
}

function refused(reason: MessageRefusal): Opened {
  return { ok: false, reason };
}

/** JSON may end in spaces. */
function padded(json: string): Uint8Array {
  const bytes = new TextEncoder().encode(json);
  const result = new Uint8Array(Math.ceil(bytes.length / PADDING_BYTES) * PADDING_BYTES).fill(SPACE);
  result.set(bytes, 0);
  return result;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}
