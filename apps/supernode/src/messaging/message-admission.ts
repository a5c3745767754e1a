import { LIMITS, type RequestOf, type WireErrorCode } from '@parley/protocol';
import { isMutual } from '../contacts/contact-relation.ts';
import type { Sides } from '../contacts/contact-transitions.ts';
import type { Caller } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import type { CorrespondenceState } from './correspondents.port.ts';
import type { MailboxCopy } from './mailbox-store.port.ts';

export type SendRequest = RequestOf<'message.send'>;

/** Why copies for the other user are not kept, though their sender is told nothing of it. */
export type SilentDrop = 'blocked' | 'request-limit' | 'receipt-limit';

/** A refusal, or the copies to commit. */
export type Admission =
  | { readonly refusal: WireErrorCode }
  | { readonly copies: readonly MailboxCopy[]; readonly silentDrop: SilentDrop | undefined };

/**
 * Looks at what a request says by itself.
 *
 * @throws Refusal BAD_REQUEST
 */
export function checkCopies(caller: Caller, { to, copies }: SendRequest): void {
  const seen = new Set<string>();
  for (const { to: device } of copies) {
    if (device.userId !== to && device.userId !== caller.userId) {
      throw new Refusal('BAD_REQUEST', 'A copy is for a user who has no part in the conversation.');
    }
    if (device.deviceId === caller.deviceId)
      throw new Refusal('BAD_REQUEST', 'A copy is for the device that sends it.');
    if (seen.has(device.deviceId)) throw new Refusal('BAD_REQUEST', 'Two copies are for one device.');
    seen.add(device.deviceId);
  }
}

/**
 * Decides over one message by what stands between its two users.
 *
 * @param alsoUnread - copies of this sender for this recipient that are admitted but not yet counted in `state`
 */
export function admitMessage(
  caller: Caller,
  request: SendRequest,
  state: CorrespondenceState,
  alsoUnread: CorrespondenceState['unread'],
): Admission {
  const refusal = refusalOf(caller, request, state);
  if (refusal) return { refusal };
  const isOwn = request.to === caller.userId;
  const isStranger = !isOwn && !isMutual(state.sides);
  const peerCopies = isOwn ? 0 : request.copies.filter(({ to }) => to.userId === request.to).length;
  const { requests, others } = state.unread;
  const unread = request.isReceipt ? others + alsoUnread.others : requests + alsoUnread.requests;
  const silentDrop = silentDropOf(state.sides, request, isStranger && unread + peerCopies);
  const copies = request.copies.map(({ to, envelope }): MailboxCopy => {
    const isForPeer = !isOwn && to.userId === request.to;
    return {
      tenant: caller.tenant,
      userId: to.userId,
      deviceId: to.deviceId,
      messageId: request.messageId,
      from: { userId: caller.userId, deviceId: caller.deviceId },
      envelope,
      isRequest: isForPeer && isStranger && !request.isReceipt,
      isDiscarded: isForPeer && silentDrop !== undefined,
    };
  });
  return { copies, silentDrop: peerCopies > 0 ? silentDrop : undefined };
}

function refusalOf(
  caller: Caller,
  request: SendRequest,
  { sender, recipient, sides }: CorrespondenceState,
): WireErrorCode | undefined {
  if (!sender?.devices.has(caller.deviceId)) return 'DEVICE_NOT_LINKED';
  if (!recipient) return 'NOT_FOUND';
  if (sides.mine === 'blocked') return 'FORBIDDEN';
  const { own, peer } = request.listVersions;
  if (own < sender.listVersion || peer < recipient.listVersion) return 'DEVICE_LIST_STALE';
  const isKnown = request.copies.every(({ to }) =>
    (to.userId === caller.userId ? sender : recipient).devices.has(to.deviceId),
  );
  return isKnown ? undefined : 'DEVICE_LIST_STALE';
}

/** @param unread - copies that a stranger would have with this message; false for anybody else */
function silentDropOf(
  { theirs }: Sides,
  { isReceipt }: SendRequest,
  unread: number | false,
): SilentDrop | undefined {
  if (theirs === 'blocked') return 'blocked';
  if (unread === false || unread <= LIMITS.maxRequestsPerSender) return undefined;
  return isReceipt ? 'receipt-limit' : 'request-limit';
}
