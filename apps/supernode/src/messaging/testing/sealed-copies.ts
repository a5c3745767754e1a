import { createHash, randomBytes } from 'node:crypto';
import { messageIdSchema, type Envelope, type MessageId } from '@parley/protocol';
import type { DeviceAddress } from '../../identity/caller.ts';
import type { MailboxCopy } from '../mailbox-store.port.ts';
import type { SendRequest } from '../message-admission.ts';

/** The same id for the same name. */
export function messageNamed(name: string): MessageId {
  return messageIdSchema.parse(
    createHash('sha256').update(name).digest().subarray(0, 16).toString('base64url'),
  );
}

/** Bytes that nobody here can open, as a supernode sees them. */
export function sealedEnvelope(bytes = 64): Envelope {
  return { scheme: 'test', sealed: randomBytes(bytes).toString('base64url') };
}

export function copyFor(
  to: DeviceAddress,
  from: DeviceAddress,
  message: string,
  wrong: Partial<MailboxCopy> = {},
): MailboxCopy {
  return {
    tenant: to.tenant,
    userId: to.userId,
    deviceId: to.deviceId,
    messageId: messageNamed(message),
    from: { userId: from.userId, deviceId: from.deviceId },
    envelope: sealedEnvelope(),
    isRequest: false,
    isDiscarded: false,
    ...wrong,
  };
}

/** A message to a user, sealed for these devices. */
export function sendRequest(
  to: DeviceAddress['userId'],
  devices: readonly Pick<DeviceAddress, 'userId' | 'deviceId'>[],
  message: string,
  wrong: Partial<SendRequest> = {},
): SendRequest {
  return {
    messageId: messageNamed(message),
    to,
    isReceipt: false,
    listVersions: { peer: 1, own: 1 },
    copies: devices.map(({ userId, deviceId }) => ({ to: { userId, deviceId }, envelope: sealedEnvelope() })),
    ...wrong,
  };
}
