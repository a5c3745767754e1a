import { Inject, Injectable } from '@nestjs/common';
import type { Handle, RequestOf, ResponseOf, TenantId } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { Refusal } from '../refusal.ts';
import { AccountAccess, type AccountEntry } from './account-access.ts';
import {
  ACCOUNT_STORE,
  TOKEN_BINDINGS,
  type Account,
  type AccountStore,
  type TokenBindings,
} from './accounts.port.ts';
import type { Caller, DeviceAddress } from './caller.ts';
import type { ConnectionContext } from './connection-context.ts';
import { DeviceProofs, type ProvenDevice } from './device-proof.ts';
import { isOpenRegistration } from './digest.ts';
import { TokenIssuer } from './token-issuer.ts';
import { TokenVerifier, type VerifiedToken } from './token-verifier.ts';

/** Expired bindings are deleted about once per so many sign-ins. */
const CLEAN_EVERY = 1024;

/** Who signed in, and what the welcome says of the account. */
export interface SignedIn {
  readonly caller: Caller;
  readonly handle: Handle | null;
  readonly deviceListVersion: number;
}

/** Sign-in with an access token, and renewal of the tokens that the supernode issues itself. */
@Injectable()
export class SignInService {
  private signIns = 0;

  constructor(
    private readonly proofs: DeviceProofs,
    private readonly access: AccountAccess,
    private readonly verifier: TokenVerifier,
    private readonly issuer: TokenIssuer,
    private readonly tasks: BackgroundTasks,
    @Inject(ACCOUNT_STORE) private readonly accounts: AccountStore,
    @Inject(TOKEN_BINDINGS) private readonly bindings: TokenBindings,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async authenticate(connection: ConnectionContext, request: RequestOf<'authenticate'>): Promise<SignedIn> {
    const device = this.proofs.verify(connection, request.proof, 'authenticate', request.token);
    const tenant = await this.access.tenant(device.tenant);
    const token = await this.verifier.verify(request.token, tenant, device);
    const entry = await this.enterOrCreate(device, token);
    if (!token.namesDevice) await this.bind(device, token);
    await this.accounts.touchDevice(device.tenant, device.deviceId, new Date(this.clock.now()));
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

  private async enterOrCreate(device: ProvenDevice, token: VerifiedToken): Promise<AccountEntry> {
    const address = { tenant: device.tenant, userId: token.userId, deviceId: device.deviceId };
    const entry = await this.access.enter(address);
    if (entry) return entry;
    if (token.origin === 'own')
      throw new Refusal('TOKEN_INVALID', 'The account of the access token is gone.');
    await this.accounts.ensureUser(address);
    const created: Account = {
      tenant: address.tenant,
      userId: address.userId,
      handle: null,
      status: 'active',
      latest: undefined,
      removedDevices: new Set(),
    };
    return { account: created, linked: false };
  }

  private async bind(device: ProvenDevice, token: VerifiedToken): Promise<void> {
    const boundTo = await this.bindings.bind({
      tenant: device.tenant,
      userId: token.userId,
      tokenHash: token.bindingHash,
      deviceKey: device.deviceKey,
      expiresAt: token.expiresAt,
    });
    if (boundTo !== device.deviceKey) throw new Refusal('TOKEN_BOUND');
    this.signIns += 1;
    if (this.signIns % CLEAN_EVERY !== 0) return;
    const now = new Date(this.clock.now());
    await this.tasks.attempt('Deleting expired token bindings', () => this.bindings.deleteExpired(now));
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
