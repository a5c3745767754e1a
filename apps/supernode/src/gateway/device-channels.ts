import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  encodeBase64url,
  LIMITS,
  type DeviceId,
  type EventOf,
  type ServerEventName,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import type { OwnershipChange } from '../cluster/ownership.port.ts';
import type { Slot } from '../cluster/slot.ts';
import { deviceKey, type Caller, type DeviceAddress } from '../identity/caller.ts';
import type { UserAddress } from '../identity/connection-context.ts';
import { sha256 } from '../identity/digest.ts';
import { Refusal } from '../refusal.ts';
import { SerialByKey } from '../serial-by-key.ts';
import { Arrivals } from './arrivals.ts';
import { ChannelRecords } from './channel-records.ts';
import { ChannelTable } from './channel-table.ts';
import type { Connection } from './connection.ts';
import type { ConnectionObserver } from './connection-observer.port.ts';
import { DeviceChannel } from './device-channel.ts';
import type { LocalDevices } from './local-devices.port.ts';
import { isComplete, RESUME_STORE, type ResumeRecord, type ResumeStore } from './resume-store.port.ts';
import { UserHomes } from './user-homes.ts';

const RESUME_TOKEN_BYTES = 32;
/** A channel on a new connection; `goLive` is called when the answer to the sign-in has been sent. */
export interface OpenedChannel {
  readonly resumeToken: string;
  readonly goLive: () => void;
}

export interface ResumedChannel extends OpenedChannel {
  /** False when events were lost. */
  readonly recovered: boolean;
  /** Of the newest event that is replayed. */
  readonly newestSequence: number;
  /** Another supernode had the device before. */
  readonly tookOver: boolean;
}

/**
 * All signed-in devices of this supernode, connected or resumable: one live connection each. It numbers and keeps the
 * events to them, and tells the observers who came and went, in order for each device.
 */
@Injectable()
export class DeviceChannels implements LocalDevices {
  private readonly channels = new ChannelTable();
  /** Channels whose device is signing in anew, until its new one is open. */
  private readonly aside = new Set<DeviceChannel>();
  private readonly expiries = new Map<string, () => void>();
  private readonly serial = new SerialByKey();
  private readonly observers: ConnectionObserver[] = [];
  private readonly arrivals: Arrivals;
  private readonly records: ChannelRecords;
  private revocationsNow = 0;

  constructor(
    @Inject(RESUME_STORE) private readonly store: ResumeStore,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly tasks: BackgroundTasks,
    private readonly homes: UserHomes,
  ) {
    this.records = new ChannelRecords(store, scheduler, tasks);
    this.arrivals = new Arrivals((user) => this.takeOverAway(user), scheduler, tasks);
  }

  /** Observers come when all concerns exist: they depend on the notifier, and not the other way round. */
  subscribe(observer: ConnectionObserver): void {
    this.observers.push(observer);
  }

  /** Moves whenever a device was revoked: what was decided before must be decided again. */
  get revocations(): number {
    return this.revocationsNow;
  }

  /** Devices with a live connection, and all that are connected or resumable. */
  get counts(): { readonly connected: number; readonly known: number } {
    let connected = 0;
    for (const channel of this.channels.all()) if (channel.connection) connected += 1;
    return { connected, known: this.channels.size };
  }

  /**
   * A device signed in. An older connection of it is closed.
   *
   * @throws Refusal NOT_HOME, BUSY
   */
  async open(
    connection: Connection,
    { tenant, userId, deviceId, linked: isLinked }: Caller,
  ): Promise<OpenedChannel> {
    const device = { tenant, userId, deviceId };
    return this.serial.run(deviceKey(device), async () => {
      const tenure = this.homes.require(device);
      const older = this.drop(device, 'replaced');
      if (older) this.aside.add(older);
      const resumeToken = encodeBase64url(randomBytes(RESUME_TOKEN_BYTES));
      const tokenHash = sha256(resumeToken);
      let isOpen: boolean;
      try {
        isOpen = await this.store.open(device, { tokenHash, isLinked }, tenure);
      } catch (error) {
        await this.keepAway(older);
        throw error;
      }
      if (!isOpen) {
        await this.giveAway(older);
        throw this.homes.refusal(device);
      }
      // The slot may have moved while the store was asked, or the right to act have lapsed.
      if (this.homes.tenureOf(device)?.epoch !== tenure.epoch) {
        await this.keepAway(older);
        throw this.homes.refusal(device);
      }
      if (older) this.aside.delete(older);
      this.records.ended(device);
      const channel = this.channels.add(new DeviceChannel(device, isLinked, tenure, 0));
      channel.attach(connection);
      if (isLinked) await this.tell((observer) => observer.deviceReachable?.(device, 'signed-in'));
      return { resumeToken, goLive: () => channel.goLive(connection, []) };
    });
  }

  /** The device that a resume token was given to; undefined when it is unknown or too old. */
  async ownerOf(resumeToken: string): Promise<DeviceAddress | undefined> {
    return (await this.store.find(sha256(resumeToken)))?.device;
  }

  /**
   * A device came back with its resume token; undefined when that ended meanwhile.
   *
   * @throws Refusal NOT_HOME, BUSY
   */
  async resume(
    connection: Connection,
    { tenant, userId, deviceId, linked: isLinked }: Caller,
    resumeToken: string,
    lastSequence: number,
  ): Promise<ResumedChannel | undefined> {
    const device = { tenant, userId, deviceId };
    return this.serial.run(deviceKey(device), async () => {
      const tenure = this.homes.require(device);
      const tokenHash = sha256(resumeToken);
      const known = await this.store.find(tokenHash);
      if (!known) return undefined;
      const here = this.channels.get(device);
      const channel = here ?? (await this.records.takeOver(known, tenure, lastSequence));
      if (this.homes.require(device).epoch !== tenure.epoch) throw this.homes.refusal(device);
      if (!channel) return undefined;
      if (!here) this.channels.add(channel);
      this.endExpiry(device);
      this.replace(channel, connection);
      channel.isLinked = isLinked;
      if (isLinked && !known.isLinked) await this.records.link(channel);
      const { newest, isFromElsewhere: tookOver } = channel;
      channel.attach(connection);
      // Events since the first look are in the record or held back by the channel: none falls between.
      const record = await this.recordOf(channel, tokenHash);
      if (isLinked) await this.tell((observer) => observer.deviceReachable?.(device, 'resumed'));
      const missed = record.events.filter((event) => event.sequence > lastSequence);
      return {
        resumeToken,
        tookOver,
        // What was numbered and could not be stored is missing.
        recovered: isComplete(record, lastSequence) && record.sequence >= newest,
        newestSequence: missed.at(-1)?.sequence ?? lastSequence,
        goLive: () => channel.goLive(connection, missed),
      };
    });
  }

  /** The connection ended; the device may resume within the window. */
  async lost(connection: Connection): Promise<void> {
    const device = connection.device?.caller;
    if (!device) return;
    await this.serial.run(deviceKey(device), async () => {
      const channel = this.channels.get(device);
      if (channel?.connection !== connection) return;
      await this.leave(channel);
    });
  }

  /** Ends the channel of a device for good; its connection is told why, and closed where it may not stay. */
  async end(device: DeviceAddress, cause: 'signed-off' | 'revoked'): Promise<void> {
    // At once, and not in turn: whatever is under way for this device must see that it may do nothing more.
    if (cause === 'revoked') this.revocationsNow += 1;
    const revoked = this.channels.get(device);
    const wasLinked = revoked?.isLinked ?? false;
    this.drop(device, cause);
    if (!revoked) return;
    await this.serial.run(deviceKey(device), async () => {
      await this.records.close(revoked);
      if (wasLinked) await this.tell((observer) => observer.deviceGone(device, cause));
    });
  }

  /** A signed-in device was added to its user's list: from now on it takes part. */
  async linked(device: DeviceAddress): Promise<void> {
    await this.serial.run(deviceKey(device), async () => {
      const channel = this.channels.get(device);
      const connection = channel?.connection;
      if (!channel || channel.isLinked) return;
      channel.isLinked = true;
      await this.records.link(channel);
      if (!connection?.device) return;
      connection.device = { caller: { ...connection.device.caller, linked: true }, hasAccount: true };
      await this.tell((observer) => observer.deviceReachable?.(device, 'signed-in'));
    });
  }

  /**
   * Follows the roster. Channels of lost slots end here without a word to anybody else: the device is not gone, its home is
   * another supernode, which has its record. Their connections are returned, for somebody to tell them.
   */
  follow({ gained, lost }: OwnershipChange): readonly Connection[] {
    this.arrivals.lost(lost);
    const connections = this.release(lost);
    this.arrivals.gained(gained);
    return connections;
  }

  /** Resolves when devices of the user that another supernode left behind are known here: nearly always at once. */
  settled(tenant: TenantId, userId: UserId): Promise<void> {
    return new Promise((resolve) => this.arrivals.whenKnown({ tenant, userId }, resolve));
  }

  /** Devices of a user that are connected or resumable, linked or not. */
  devicesOf(tenant: TenantId, userId: UserId): readonly DeviceAddress[] {
    return this.channels.ofUser(tenant, userId).map((channel) => channel.device);
  }

  /** What the transport's heartbeat proves to have been received need not be kept. */
  pingSent(connection: Connection): void {
    this.channelOn(connection)?.pingSent();
  }

  async pongReceived(connection: Connection): Promise<void> {
    const channel = this.channelOn(connection);
    if (channel) await this.store.trim(channel.device, channel.pongReceived(), channel.tenure);
  }

  notifyDevice<Name extends ServerEventName>(
    device: DeviceAddress,
    name: Name,
    payload: EventOf<Name>,
  ): boolean {
    let isKnown = true;
    this.arrivals.whenKnown(device, () => {
      const channel = this.channels.get(device);
      isKnown = channel !== undefined;
      if (channel) this.push(channel, name, payload);
    });
    return isKnown;
  }

  notifyConnected<Name extends ServerEventName>(
    device: DeviceAddress,
    name: Name,
    payload: EventOf<Name>,
  ): boolean {
    return this.channels.get(device)?.show(name, payload) ?? false;
  }

  notifyUser<Name extends ServerEventName>(
    tenant: TenantId,
    userId: UserId,
    name: Name,
    payload: EventOf<Name>,
    except?: DeviceId,
  ): number {
    let reached = 0;
    this.arrivals.whenKnown({ tenant, userId }, () => {
      for (const channel of this.channels.ofUser(tenant, userId)) {
        if (!channel.isLinked || channel.device.deviceId === except) continue;
        this.push(channel, name, payload);
        reached += 1;
      }
    });
    return reached;
  }

  resumableDevices(tenant: TenantId, userId: UserId): readonly DeviceId[] {
    return this.channels
      .ofUser(tenant, userId)
      .filter(({ isLinked }) => isLinked)
      .map(({ device }) => device.deviceId);
  }

  connectedDevices(tenant: TenantId, userId: UserId): readonly DeviceId[] {
    return this.channels
      .ofUser(tenant, userId)
      .filter((channel) => channel.isLinked && channel.connection !== undefined)
      .map((channel) => channel.device.deviceId);
  }

  private async expire(device: DeviceAddress): Promise<void> {
    await this.serial.run(deviceKey(device), async () => {
      const channel = this.channels.get(device);
      if (!channel || channel.connection) return;
      this.forget(channel);
      await this.records.close(channel);
      if (channel.isLinked) await this.tell((observer) => observer.deviceGone(device, 'expired'));
    });
  }

  private channelOn(connection: Connection): DeviceChannel | undefined {
    const device = connection.device?.caller;
    const channel = device && this.channels.get(device);
    return channel?.connection === connection ? channel : undefined;
  }

  /** Forgets the channel of a device, which is returned, and parts with its connection. */
  private drop(
    device: DeviceAddress,
    cause: 'replaced' | 'signed-off' | 'revoked',
  ): DeviceChannel | undefined {
    const channel = this.channels.get(device);
    if (!channel) return undefined;
    this.forget(channel);
    const connection = channel.connection;
    channel.detach();
    if (!connection) return channel;
    connection.device = undefined;
    if (cause !== 'signed-off') part(connection, cause);
    return channel;
  }

  /** Parts with the connection that a resuming device left behind, if the loss was not noticed yet. */
  private replace(channel: DeviceChannel, by: Connection): void {
    const older = channel.connection;
    if (!older || older === by) return;
    older.device = undefined;
    part(older, 'replaced');
  }

  private push<Name extends ServerEventName>(
    channel: DeviceChannel,
    name: Name,
    payload: EventOf<Name>,
  ): void {
    this.records.keep(channel, channel.push(name, payload));
  }

  /** The record of a device that is coming back. It is not back where that can't be read. */
  private async recordOf(channel: DeviceChannel, tokenHash: string): Promise<ResumeRecord> {
    try {
      await channel.isStored();
      const record = await this.store.find(tokenHash);
      if (record) return record;
    } catch (error) {
      await this.leave(channel);
      throw error;
    }
    await this.leave(channel);
    throw new Refusal('RESUME_REFUSED');
  }

  /** The channel has no connection any more; its device may resume. */
  private async leave(channel: DeviceChannel): Promise<void> {
    const { device } = channel;
    channel.detach();
    this.expireLater(device);
    if (channel.isLinked) await this.tell((observer) => observer.deviceUnreachable?.(device));
  }

  /**
   * Nobody took the place of a channel that stood aside: its device is away like any other, and gone when it does not come back.
   * Where its slot was lost meanwhile, it was released with it.
   */
  private async keepAway(channel: DeviceChannel | undefined): Promise<void> {
    if (channel && this.aside.delete(channel)) await this.leave(this.channels.add(channel));
  }

  /** The store knows of a later tenure, and this supernode will hear of it: a channel that stood aside is elsewhere by now. */
  private async giveAway(channel: DeviceChannel | undefined): Promise<void> {
    if (channel && this.aside.delete(channel)) await this.handOver(channel);
  }

  private async handOver(channel: DeviceChannel): Promise<void> {
    await this.records.seal(channel);
    await this.tell((observer) => observer.deviceMoved?.(channel.device));
  }

  /** All devices of a user that are recorded and unknown here: none is connected. */
  private async takeOverAway({ tenant, userId }: UserAddress): Promise<void> {
    for (const { device } of await this.store.ofUser(tenant, userId)) {
      await this.serial.run(deviceKey(device), () => this.takeOverOne(device));
    }
  }

  private async takeOverOne(device: DeviceAddress): Promise<void> {
    const tenure = this.homes.tenureOf(device);
    if (!tenure || this.channels.get(device)) return;
    // Read again, in turn: the device may have come and gone meanwhile.
    const ofUser = await this.store.ofUser(device.tenant, device.userId);
    const record = ofUser.find((candidate) => candidate.device.deviceId === device.deviceId);
    const channel = record && (await this.records.takeOver(record, tenure));
    if (!channel || this.homes.tenureOf(device)?.epoch !== tenure.epoch) return;
    this.channels.add(channel);
    this.expireLater(device);
    if (channel.isLinked) await this.tell((observer) => observer.deviceUnreachable?.(device));
  }

  /** Ends the channels of slots that are not ours any more; whoever is connected on them. */
  private release(slots: ReadonlySet<Slot>): readonly Connection[] {
    const connections: Connection[] = [];
    for (const channel of this.channels.inSlots(slots)) {
      const { device, connection } = channel;
      this.forget(channel);
      channel.detach();
      if (connection) connections.push(connection);
      void this.serial.run(deviceKey(device), () => this.handOver(channel));
    }
    for (const channel of [...this.aside].filter(({ tenure }) => slots.has(tenure.slot))) {
      this.aside.delete(channel);
      void this.serial.run(deviceKey(channel.device), () => this.handOver(channel));
    }
    return connections;
  }

  private forget(channel: DeviceChannel): void {
    this.endExpiry(channel.device);
    this.channels.remove(channel);
  }

  private expireLater(device: DeviceAddress): void {
    this.endExpiry(device);
    this.expiries.set(
      deviceKey(device),
      this.scheduler.after(LIMITS.resumeWindowMs, () => void this.expire(device)),
    );
  }

  private endExpiry(device: DeviceAddress): void {
    this.expiries.get(deviceKey(device))?.();
    this.expiries.delete(deviceKey(device));
  }

  /** An observer that fails is logged; it never keeps a device out. */
  private async tell(what: (observer: ConnectionObserver) => Promise<void> | void): Promise<void> {
    for (const observer of this.observers) {
      await this.tasks.attempt('Telling of a connection', async () => what(observer));
    }
  }
}

function part(connection: Connection, reason: 'replaced' | 'revoked'): void {
  connection.send('go-away', { reason, alternates: [], retryAfterMs: 0, windowMs: 0 });
  connection.close();
}
