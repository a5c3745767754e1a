import { Injectable } from '@nestjs/common';
import type { Handle, RequestOf, ResponseOf, TenantId } from '@parley/protocol';
import { Refusal } from '../refusal.ts';
import { AccountAccess, type AccountEntry } from './account-access.ts';
import type { Caller, DeviceAddress } from './caller.ts';
import type { ConnectionContext, UserAddress } from './connection-context.ts';
import { DeviceProofs, type ProvenDevice } from './device-proof.ts';
import { isOpenRegistration } from './digest.ts';
import { DeviceVisits } from './device-visits.ts';
import { TokenBinder } from './token-binder.ts';
import { TokenIssuer } from './token-issuer.ts';
import { TokenVerifier } from './token-verifier.ts';

/** Who signed in, and what the welcome says of the account. */
export interface SignedIn {
  readonly caller: Caller;
  readonly handle: Handle | null;
  readonly deviceListVersion: number;
}

/** Sign-in with an access token, and renewal of the tokens that the supernode issues itself. */
@Injectable()
export class SignInService {
  constructor(
    private readonly proofs: DeviceProofs,
    private readonly access: AccountAccess,
    private readonly visits: DeviceVisits,
    private readonly verifier: TokenVerifier,
    private readonly binder: TokenBinder,
    private readonly issuer: TokenIssuer,
  ) {}

  /** @param admit - called with the proven user before anything is read or written for it; may wait, and refuse */
  async authenticate(
    connection: ConnectionContext,
    request: RequestOf<'authenticate'>,
    admit: (user: UserAddress) => Promise<void> = () => Promise.resolve(),
  ): Promise<SignedIn> {
    const device = this.proofs.verify(connection, request.proof, 'authenticate', request.token);
    const tenant = await this.access.tenant(device.tenant);
    const token = await this.verifier.verify(request.token, tenant, device);
    const address = { tenant: device.tenant, userId: token.userId, deviceId: device.deviceId };
    await admit(address);
    const entry =
      token.origin === 'own' ? await this.enterKnown(address) : await this.access.enterOrCreate(address);
    await this.binder.bind(device, token);
    this.visits.note(address);
    return signedIn(device, entry);
  }

  /** Asks again whether a device that comes back may come in; the proof was checked by who holds the resume state. */
  async reauthorise(device: DeviceAddress): Promise<SignedIn> {
    const entry = await this.access.enter(device);
    if (!entry) throw new Refusal('RESUME_REFUSED');
    return signedIn(device, entry);
  }

  async renew(
    connection: ConnectionContext,
    request: RequestOf<'token.renew'>,
  ): Promise<ResponseOf<'token.renew'>> {
    const device = this.proofs.verify(connection, request.proof, 'renew', '');
    const user = { tenant: device.tenant, userId: request.userId };
    const entry = await this.access.enter({ ...user, deviceId: device.deviceId });
    if (!entry?.linked) throw new Refusal('DEVICE_NOT_LINKED');
    if (!isOpenRegistration(user.userId)) {
      throw new Refusal('FORBIDDEN', "Access tokens of this account come from the app's own backend.");
    }
    return this.issuer.issue(user, device);
  }

  private async enterKnown(address: DeviceAddress): Promise<AccountEntry> {
    const entry = await this.access.enter(address);
    if (!entry) throw new Refusal('TOKEN_INVALID', 'The account of the access token is gone.');
    return entry;
  }
}

function signedIn(
  device: { tenant: TenantId } & Pick<ProvenDevice, 'deviceId'>,
  entry: AccountEntry,
): SignedIn {
  const { account, linked } = entry;
  return {
    caller: { tenant: device.tenant, userId: account.userId, deviceId: device.deviceId, linked },
    handle: account.handle,
    deviceListVersion: account.latest?.list.version ?? 0,
  };
}
