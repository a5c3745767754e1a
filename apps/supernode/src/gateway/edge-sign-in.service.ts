import { Inject, Injectable } from '@nestjs/common';
import { LIMITS, type RequestOf, type ResponseOf, type Welcome } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import type { Caller, DeviceAddress } from '../identity/caller.ts';
import { DeviceProofs } from '../identity/device-proof.ts';
import type { UserAddress } from '../identity/connection-context.ts';
import { SignInService, type SignedIn } from '../identity/sign-in.service.ts';
import { Refusal } from '../refusal.ts';
import type { Connection } from './connection.ts';
import { ComingHomes } from './coming-homes.ts';
import { DeviceChannels, type OpenedChannel } from './device-channels.ts';
import { RELAY_ACCESS, type FlowOccasion, type RelayAccess } from './relay-access.port.ts';
import { FollowedReply } from './reply.ts';
import { SignedHomes } from './signed-homes.ts';
import { FailedSignIns } from './failed-sign-ins.ts';
import { StormAdmission, type Turn } from './storm-admission.ts';
import { UserHomes } from './user-homes.ts';

/** Joins identity and connection: who proved a device key gets a channel and a welcome. */
@Injectable()
export class EdgeSignIn {
  constructor(
    private readonly signIns: SignInService,
    private readonly proofs: DeviceProofs,
    private readonly channels: DeviceChannels,
    private readonly homes: UserHomes,
    private readonly coming: ComingHomes,
    private readonly signedHomes: SignedHomes,
    private readonly failed: FailedSignIns,
    private readonly admission: StormAdmission,
    @Inject(RELAY_ACCESS) private readonly relay: RelayAccess,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  authenticate(
    connection: Connection,
    request: RequestOf<'authenticate'>,
  ): Promise<FollowedReply<ResponseOf<'authenticate'>>> {
    return this.admit('sign-in', connection, (turn) => this.signIn(connection, request, turn));
  }

  resume(connection: Connection, request: RequestOf<'resume'>): Promise<FollowedReply<ResponseOf<'resume'>>> {
    return this.admit('resume', connection, (turn) => this.takeUp(connection, request, turn));
  }

  private async admit<Result>(
    kind: 'resume' | 'sign-in',
    connection: Connection,
    work: (turn: Turn) => Promise<Result>,
  ): Promise<Result> {
    requireNobody(connection);
    return this.failed.watch(connection.source, async () => {
      try {
        return await this.admission.run(kind, work, () => connection.isOpen);
      } catch (error) {
        throw this.withOthers(error);
      }
    });
  }

  /** Who is refused for want of room is told where else to ask (DESIGN 5.7). */
  private withOthers(error: unknown): unknown {
    if (!(error instanceof Refusal) || error.code !== 'BUSY' || error.alternates) return error;
    const { code, message, retryAfterMs, windowMs } = error;
    const wayOut = { alternates: this.homes.others(), ...(windowMs !== undefined && { windowMs }) };
    return new Refusal(code, message, retryAfterMs, { ...wayOut, cause: error });
  }

  private async signIn(
    connection: Connection,
    request: RequestOf<'authenticate'>,
    turn: Turn,
  ): Promise<FollowedReply<ResponseOf<'authenticate'>>> {
    const revocations = this.channels.revocations;
    const signedIn = await this.signIns.authenticate(connection, request, (user) =>
      this.atHome(connection, user, turn),
    );
    const welcome = await this.welcome(connection, signedIn, 'sign-in');
    const channel = await this.enter(connection, signedIn, revocations, (caller) =>
      this.channels.open(connection, caller),
    );
    return new FollowedReply({ ...welcome, resume: resumeOf(channel) }, channel.goLive);
  }

  private async takeUp(
    connection: Connection,
    request: RequestOf<'resume'>,
    turn: Turn,
  ): Promise<FollowedReply<ResponseOf<'resume'>>> {
    const proven = this.proofs.verify(connection, request.proof, 'resume', request.token);
    const owner = await this.channels.ownerOf(request.token);
    if (owner?.deviceId !== proven.deviceId || owner.tenant !== proven.tenant)
      throw new Refusal('RESUME_REFUSED');
    await this.atHome(connection, owner, turn);
    const revocations = this.channels.revocations;
    const signedIn = await this.signIns.reauthorise(owner);
    const welcome = await this.welcome(connection, signedIn, 'resume');
    const channel = await this.enter(connection, signedIn, revocations, (caller) =>
      this.channels.resume(connection, caller, request.token, request.lastSequence),
    );
    const { recovered, newestSequence } = channel;
    // Its number says that the device has heard of the loss: what it saw of the supernode before counts no more.
    if (channel.tookOver && !recovered && welcome.homes)
      this.channels.notifyDevice(signedIn.caller, 'homes.changed', { homes: welcome.homes });
    const caughtUp = { recovered, newestSequence };
    return new FollowedReply({ ...welcome, resume: resumeOf(channel), ...caughtUp }, channel.goLive);
  }

  /** @throws Refusal NOT_HOME, BUSY */
  private async atHome(connection: Connection, user: UserAddress, turn: Turn): Promise<void> {
    if (this.homes.isComing(user)) await turn.aside(() => this.coming.settled(user, () => connection.isOpen));
    this.homes.require(user);
  }

  /** Puts the device on the connection and opens its channel: both, or neither. */
  private async enter<Channel>(
    connection: Connection,
    { caller, deviceListVersion }: SignedIn,
    revocations: number,
    open: (caller: Caller) => Promise<Channel | undefined>,
  ): Promise<Channel> {
    // Two sign-ins may have been under way on one connection: the first one has it.
    requireNobody(connection);
    if (!connection.isOpen) throw new Refusal('CONFLICT', 'The connection is closing.');
    connection.device = { caller, hasAccount: deviceListVersion > 0 };
    try {
      const channel = await open(caller);
      if (!channel) throw new Refusal('RESUME_REFUSED');
      await this.recheck(caller, revocations);
      return channel;
    } catch (error) {
      connection.device = undefined;
      throw error;
    }
  }

  /** The device may have been removed between the check and the moment that its channel could be ended. */
  private async recheck(device: DeviceAddress, revocations: number): Promise<void> {
    if (revocations === this.channels.revocations) return;
    try {
      await this.signIns.reauthorise(device);
    } catch (error) {
      await this.channels.end(device, 'revoked');
      throw error;
    }
  }

  /** Made before the device enters, so that nothing can fail after it did. */
  private async welcome(
    connection: Connection,
    { caller, handle, deviceListVersion }: SignedIn,
    occasion: FlowOccasion,
  ): Promise<Omit<Welcome, 'resume'>> {
    return {
      tenant: caller.tenant,
      userId: caller.userId,
      deviceId: caller.deviceId,
      handle,
      linked: caller.linked,
      deviceListVersion,
      stunServers: [...this.relay.stunServers(caller)],
      relay: (caller.linked ? await this.relay.issue(caller) : undefined) ?? null,
      flow: (caller.linked ? this.relay.openFlow(caller, occasion) : undefined) ?? null,
      homes: this.signedHomes.for(connection, caller),
      serverTime: this.clock.now(),
    };
  }
}

function resumeOf({ resumeToken }: OpenedChannel): Welcome['resume'] {
  return { token: resumeToken, windowMs: LIMITS.resumeWindowMs };
}

function requireNobody(connection: Connection): void {
  if (connection.device) throw new Refusal('CONFLICT', 'A device is signed in on this connection already.');
}
