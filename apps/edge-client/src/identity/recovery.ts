import { randomBytes } from 'node:crypto';
import { encodeBase64url, type UserId } from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import { edgeError } from '../errors.ts';
import { askChallenge, makeProof } from '../signalling/proof.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import { tokenRecord } from './access-token.ts';
import { extendChain, type DeviceListPin } from './device-list-chain.ts';
import { makeNextList, ownEntry } from './device-list-maker.ts';
import type { AccountDraft, Identity } from './identity.ts';
import type { KeyPair } from './keys.ts';
import { encodeRecoveryCode, recoveryKeyOf } from './recovery-code.ts';

/** What a recovery gives: the account with this as its only device, and the next recovery code. */
export interface Recovery {
  readonly userId: UserId;
  readonly recoveryCode: string;
}

/**
 * Takes an account over with its recovery code. All former devices leave the list (they are lost, perhaps stolen), and the
 * code is used up: a new one is given. When the answer got lost it may be called again with the same identity.
 *
 * @throws EDGE_RECOVERY_CODE_INVALID, RECOVERY_REFUSED, EDGE_ALREADY_REGISTERED
 */
export async function recoverAccount(
  identity: Identity,
  request: SendRequest,
  clock: ClientClock,
  input: { readonly userId: UserId; readonly recoveryCode: string },
): Promise<Recovery> {
  if (identity.account) throw edgeError('EDGE_ALREADY_REGISTERED');
  const recoveryKey = recoveryKeyOf(input.recoveryCode);
  const { draft } = identity;
  // Signed by the very key of this code: then the list may be committed, and this code be used up by it.
  const isRepeated =
    draft?.userId === input.userId && draft.signed.signer === encodeBase64url(recoveryKey.publicKey);
  const next =
    draft && isRepeated ? draft : await takeOver(identity, request, clock, input.userId, recoveryKey);
  const reply = await request('account.recover', {
    userId: input.userId,
    proof: makeProof({
      purpose: 'recover',
      challenge: await askChallenge(request),
      tenant: identity.tenant,
      key: identity.deviceKey,
    }),
    deviceList: next.signed,
  });
  await identity.setAccount({
    userId: input.userId,
    handle: null,
    pin: next.pin,
    token: tokenRecord(reply.token, reply.expiresInMs, clock),
  });
  return { userId: input.userId, recoveryCode: next.recoveryCode };
}

/** The list by which this device becomes the only one; saved before it is sent, as its recovery code must not be lost. */
async function takeOver(
  identity: Identity,
  request: SendRequest,
  clock: ClientClock,
  userId: UserId,
  recoveryKey: KeyPair,
): Promise<AccountDraft> {
  const recoveryCode = encodeRecoveryCode(randomBytes(32));
  const next = makeNextList({
    tenant: identity.tenant,
    userId,
    last: await readChain(identity, request, userId, recoveryKey),
    devices: [ownEntry(identity, identity.deviceName, clock.wall())],
    signer: recoveryKey,
    now: clock.wall(),
    recoveryKey: recoveryKeyOf(recoveryCode).publicKey,
  });
  const draft = { ...next, recoveryCode };
  await identity.setDraft(draft);
  return draft;
}

async function readChain(
  identity: Identity,
  request: SendRequest,
  userId: UserId,
  recoveryKey: KeyPair,
): Promise<DeviceListPin> {
  let pin: DeviceListPin | undefined;
  for (;;) {
    const proof = makeProof({
      purpose: 'recover',
      challenge: await askChallenge(request),
      tenant: identity.tenant,
      key: recoveryKey,
    });
    const { lists, complete } = await request('account.recovery-lists', {
      userId,
      proof,
      sinceVersion: pin?.version ?? 0,
    });
    pin = extendChain({ tenant: identity.tenant, userId }, pin, lists);
    if (complete && pin) return pin;
    if (lists.length === 0) throw edgeError('EDGE_PROTOCOL_VIOLATION');
  }
}
