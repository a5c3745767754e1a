/** Linking a further device (DESIGN 6.2): the new device shows a code, a device of the account signs it into the list. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  decodeBase64url,
  decodeLinkCode,
  encodeBase64url,
  encodeLinkCode,
  type DeviceId,
  type EventOf,
  type LinkCode,
  type Signed,
} from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import { edgeError, EdgeClientError } from '../errors.ts';
import { askChallenge, makeProof } from '../signalling/proof.ts';
import type { AnonymousChannel } from '../signalling/anonymous-channel.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import { extendChain, findDevice } from './device-list-chain.ts';
import { makeNextList } from './device-list-maker.ts';
import type { DeviceTrust } from './device-trust.ts';
import { tokenRecord } from './access-token.ts';
import type { Account, Identity } from './identity.ts';
import { deviceIdOf } from './keys.ts';
import { payloadHash } from './signing.ts';

const CONFLICT_RETRIES = 3;

/** A device that waits to be linked. */
export interface LinkInvitation {
  /** Show it as text or QR code to a device of the account. */
  readonly code: string;
  readonly expiresInMs: number;
  /** @throws EDGE_LINK_TIMEOUT, EDGE_LINK_REFUSED, EDGE_DEVICE_LIST_INVALID, EDGE_CONNECTION_LOST */
  readonly approved: Promise<Account>;
  cancel(): void;
}

/** The new device's side. @throws EDGE_ALREADY_REGISTERED */
export async function openLink(
  identity: Identity,
  channel: AnonymousChannel,
  clock: ClientClock,
): Promise<LinkInvitation> {
  if (identity.account) throw edgeError('EDGE_ALREADY_REGISTERED');
  const secret = randomBytes(16);
  const proof = makeProof({
    purpose: 'link',
    challenge: await askChallenge(channel.request),
    tenant: identity.tenant,
    key: identity.deviceKey,
  });
  const arrival = channel.next('link.approved');
  arrival.catch(() => undefined); // a connection that is lost before the code exists fails the request below
  const { expiresInMs } = await channel.request('link.open', { proof, name: identity.deviceName });
  const approved = withDeadline(arrival, expiresInMs)
    .then((event) => acceptApproval(identity, secret, event, clock))
    .finally(() => channel.close());
  approved.catch(() => undefined); // an app that only shows the code must not crash on the deadline
  return {
    code: encodeLinkCode({
      deviceKey: identity.deviceKey.publicKey,
      agreementKey: identity.agreementKey.publicKey,
      secret,
    }),
    expiresInMs,
    approved,
    cancel: () => channel.close(),
  };
}

/** The old device's side. @throws EDGE_LINK_CODE_INVALID, LINK_UNKNOWN */
export async function approveLink(
  identity: Identity,
  trust: DeviceTrust,
  request: SendRequest,
  clock: ClientClock,
  input: { readonly code: string; readonly name: string },
): Promise<DeviceId> {
  const code = decodeLinkCode(input.code.trim());
  if (!code) throw edgeError('EDGE_LINK_CODE_INVALID');
  const deviceId = deviceIdOf(code.deviceKey);
  const entry = newEntry(code, input.name, clock);
  for (let attempt = 0; ; attempt += 1) {
    const { userId } = identity.requireAccount();
    const last = await trust.refresh(userId, request);
    const next = makeNextList({
      tenant: identity.tenant,
      userId,
      last,
      // Listed already where the approval did not reach the device: it is approved once more.
      devices: [...last.devices.filter(({ key }) => key !== entry.key), entry],
      signer: identity.deviceKey,
      now: clock.wall(),
    });
    try {
      await request('link.approve', {
        deviceId,
        deviceList: next.signed,
        confirmation: encodeBase64url(confirmationOf(code.secret, next.signed)),
      });
      await identity.updateAccount({ pin: next.pin });
      return deviceId;
    } catch (thrown) {
      if (!isConflict(thrown) || attempt === CONFLICT_RETRIES) throw thrown;
    }
  }
}

/** Takes a device out of the own list. @throws NOT_FOUND-like EDGE_OPTIONS_INVALID when the account has no such device */
export async function removeDevice(
  identity: Identity,
  trust: DeviceTrust,
  request: SendRequest,
  clock: ClientClock,
  deviceId: DeviceId,
): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const { userId } = identity.requireAccount();
    const last = await trust.refresh(userId, request);
    const removed = findDevice(last, deviceId);
    if (!removed) throw edgeError('EDGE_OPTIONS_INVALID', { message: 'The account has no such device.' });
    const next = makeNextList({
      tenant: identity.tenant,
      userId,
      last,
      devices: last.devices.filter((device) => device !== removed),
      signer: identity.deviceKey,
      now: clock.wall(),
    });
    try {
      await request('account.update-devices', { deviceList: next.signed });
      await identity.updateAccount({ pin: next.pin });
      return;
    } catch (thrown) {
      if (!isConflict(thrown) || attempt === CONFLICT_RETRIES) throw thrown;
    }
  }
}

async function acceptApproval(
  identity: Identity,
  secret: Uint8Array,
  event: EventOf<'link.approved'>,
  clock: ClientClock,
): Promise<Account> {
  const newest = event.lists.at(-1);
  const confirmation = decodeBase64url(event.confirmation);
  // Without the secret of our code nobody can make this: the supernode can't link us to an account of its choice.
  if (!newest || !confirmation || !timingSafeEqual(confirmation, confirmationOf(secret, newest))) {
    throw edgeError('EDGE_LINK_REFUSED');
  }
  const pin = extendChain({ tenant: identity.tenant, userId: event.userId }, undefined, event.lists);
  const own = pin && findDevice(pin, identity.deviceId);
  if (!pin || own?.agreementKey !== encodeBase64url(identity.agreementKey.publicKey)) {
    throw edgeError('EDGE_DEVICE_LIST_INVALID', { message: 'The approved list does not name this device.' });
  }
  const account: Account = {
    userId: event.userId,
    handle: event.handle,
    pin,
    token: tokenRecord(event.token, undefined, clock),
  };
  await identity.setAccount(account);
  return account;
}

/** HMAC-SHA-256, keyed by the secret of the code, over the SHA-256 of the list's payload. */
function confirmationOf(secret: Uint8Array, list: Signed): Buffer {
  return createHmac('sha256', secret)
    .update(Buffer.from(payloadHash(list), 'base64url'))
    .digest();
}

function newEntry(code: LinkCode, name: string, clock: ClientClock) {
  return {
    key: encodeBase64url(code.deviceKey),
    agreementKey: encodeBase64url(code.agreementKey),
    name,
    addedAt: clock.wall(),
  };
}

function isConflict(thrown: unknown): boolean {
  return thrown instanceof EdgeClientError && thrown.code === 'DEVICE_LIST_CONFLICT';
}

function withDeadline<Value>(promise: Promise<Value>, timeoutMs: number): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(edgeError('EDGE_LINK_TIMEOUT')), timeoutMs);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
