import { Injectable } from '@nestjs/common';
import { decodeBase64url, type RequestOf, type ResponseOf, type Signed, type UserId } from '@parley/protocol';
import { Refusal } from '../refusal.ts';
import { AccountAccess } from './account-access.ts';
import type { ConnectionContext } from './connection-context.ts';
import { DeviceLists } from './device-lists.ts';
import { DeviceProofs } from './device-proof.ts';
import { userIdOfRootKey } from './digest.ts';
import { RegistrationPuzzles } from './registration-puzzles.ts';
import { TokenIssuer } from './token-issuer.ts';

/** Open registration: an account for anybody who solves a puzzle, where the tenant allows it (DESIGN 6.1). */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly proofs: DeviceProofs,
    private readonly puzzles: RegistrationPuzzles,
    private readonly access: AccountAccess,
    private readonly issuer: TokenIssuer,
    private readonly lists: DeviceLists,
  ) {}

  async puzzle(
    connection: ConnectionContext,
    request: RequestOf<'register.puzzle'>,
  ): Promise<ResponseOf<'register.puzzle'>> {
    await this.requireOpen(request.tenant);
    return this.puzzles.issue(request.tenant, connection.source);
  }

  async register(
    connection: ConnectionContext,
    request: RequestOf<'register'>,
  ): Promise<ResponseOf<'register'>> {
    const device = this.proofs.verify(connection, request.proof, 'register', '');
    await this.requireOpen(device.tenant);
    const user = { tenant: device.tenant, userId: userIdOfSigner(request.deviceList) };
    const first = this.lists.verifyFirst(request.deviceList, user, device.deviceId);
    this.puzzles.spend(device.tenant, request.puzzle);
    await this.lists.commitFirst(first, { handle: request.handle, displayName: request.displayName });
    return { userId: user.userId, ...(await this.issuer.issue(user, device)) };
  }

  private async requireOpen(tenantId: RequestOf<'register.puzzle'>['tenant']): Promise<void> {
    const tenant = await this.access.tenant(tenantId);
    if (!tenant.openRegistration) throw new Refusal('REGISTRATION_CLOSED');
  }
}

/** The first list is signed by the root key, which names the user; whether it really is, the verification says. */
function userIdOfSigner(deviceList: Signed): UserId {
  return userIdOfRootKey(decodeBase64url(deviceList.signer) ?? new Uint8Array());
}
