import { type UserId } from '@parley/protocol';
import { randomBytes } from 'node:crypto';
import type { ClientClock } from '../client/client-clock.ts';
import { edgeError } from '../errors.ts';
import { askChallenge, makeProof } from '../signalling/proof.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import { tokenRecord } from './access-token.ts';
import { extendChain, type DeviceListPin } from './device-list-chain.ts';
import { makeNextList, ownEntry } from './device-list-maker.ts';
import type { Identity } from './identity.ts';
import type { KeyPair } from './keys.ts';
import { encodeRecoveryCode, recoveryKeyOf } from './recovery-code.ts';

/** What a recovery gives: the account with this as its only device, and the next recovery code. */
export interface Recovery {
  readonly userId: UserId;
  readonly recoveryCode: string;
}

/**
 * Takes an account over with its recovery code. All former devices leave the list (they are lost, perhaps stolen), and the
 * code is used up: a new one is given.
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
  const last = await readChain(identity, request, input.userId, recoveryKey);
  const nextCode = encodeRecoveryCode(randomBytes(32));
  const next = makeNextList({
    tenant: identity.tenant,
    userId: input.userId,
    last,
    devices: [ownEntry(identity, identity.deviceName, clock.wall())],
    signer: recoveryKey,
    now: clock.wall(),
    recoveryKey: recoveryKeyOf(nextCode).publicKey,
  });
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
  return { userId: input.userId, recoveryCode: nextCode };
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
