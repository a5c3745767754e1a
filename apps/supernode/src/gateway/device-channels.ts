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
import { deviceKey, userKey, type Caller, type DeviceAddress } from '../identity/caller.ts';
import { sha256 } from '../identity/digest.ts';
import { SerialByKey } from '../serial-by-key.ts';
import type { Connection } from './connection.ts';
import type { ConnectionObserver } from './connection-observer.port.ts';
import { DeviceChannel } from './device-channel.ts';
import type { LocalDevices } from './local-devices.port.ts';
import { isComplete, RESUME_STORE, type ResumeEvent, type ResumeStore } from './resume-store.port.ts';

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
}

/**
 * All signed-in devices of this supernode, connected or resumable: one live connection each. It numbers and keeps the
 * events to them, and tells the observers who came and went, in order for each device.
 */
@Injectable()
export class DeviceChannels implements LocalDevices {
  private readonly channels = new Map<string, DeviceChannel>();
  private readonly byUser = new Map<string, Set<DeviceChannel>>();
  private readonly expiries = new Map<string, () => void>();
  private readonly serial = new SerialByKey();
  private readonly observers: ConnectionObserver[] = [];
  private revocationsNow = 0;

  constructor(
    @Inject(RESUME_STORE) private readonly store: ResumeStore,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly tasks: BackgroundTasks,
  ) {}

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
    for (const channel of this.channels.values()) if (channel.connection) connected += 1;
    return { connected, known: this.channels.size };
  }

  /** A device signed in. An older connection of it is closed. */
  async open(
    connection: Connection,
    { tenant, userId, deviceId, linked: isLinked }: Caller,
  ): Promise<OpenedChannel> {
    const device = { tenant, userId, deviceId };
    return this.serial.run(deviceKey(device), async () => {
      this.drop(device, 'replaced');
      const resumeToken = encodeBase64url(randomBytes(RESUME_TOKEN_BYTES));
      await this.store.open(device, sha256(resumeToken));
      const channel = this.keep(new DeviceChannel(device, isLinked, 0));
      channel.attach(connection);
      if (isLinked) await this.tell((observer) => observer.deviceReachable?.(device, 'signed-in'));
      return { resumeToken, goLive: () => channel.goLive(connection, []) };
    });
  }

  /** The device that a resume token was given to; undefined when it is unknown or too old. */
  async ownerOf(resumeToken: string): Promise<DeviceAddress | undefined> {
    return (await this.store.find(sha256(resumeToken)))?.device;
  }

  /** A device came back with its resume token; undefined when that ended meanwhile. */
  async resume(
    connection: Connection,
    { tenant, userId, deviceId, linked: isLinked }: Caller,
    resumeToken: string,
    lastSequence: number,
  ): Promise<ResumedChannel | undefined> {
    const device = { tenant, userId, deviceId };
    return this.serial.run(deviceKey(device), async () => {
      const tokenHash = sha256(resumeToken);
      const known = await this.store.find(tokenHash);
      if (!known) return undefined;
      this.endExpiry(device);
      const channel =
        this.channels.get(deviceKey(device)) ??
        this.keep(new DeviceChannel(device, isLinked, known.sequence));
      this.replace(channel, connection);
      channel.isLinked = isLinked;
      channel.attach(connection);
      // Events since the first look are in the record or held back by the channel: none falls between.
      const record = (await this.store.find(tokenHash)) ?? known;
      if (isLinked) await this.tell((observer) => observer.deviceReachable?.(device, 'resumed'));
      const missed = record.events.filter((event) => event.sequence > lastSequence);
      return {
        resumeToken,
        recovered: isComplete(record, lastSequence),
        newestSequence: record.sequence,
        goLive: () => channel.goLive(connection, missed),
      };
    });
  }

  /** The connection ended; the device may resume within the window. */
  async lost(connection: Connection): Promise<void> {
    const device = connection.device?.caller;
    if (!device) return;
    await this.serial.run(deviceKey(device), async () => {
      const channel = this.channels.get(deviceKey(device));
      if (channel?.connection !== connection) return;
      channel.detach();
      this.endExpiry(device);
      this.expiries.set(
        deviceKey(device),
        this.scheduler.after(LIMITS.resumeWindowMs, () => void this.expire(device)),
      );
      if (channel.isLinked) await this.tell((observer) => observer.deviceUnreachable?.(device));
    });
  }

  /** Ends the channel of a device for good; its connection is told why, and closed where it may not stay. */
  async end(device: DeviceAddress, cause: 'signed-off' | 'revoked'): Promise<void> {
    // At once, and not in turn: whatever is under way for this device must see that it may do nothing more.
    if (cause === 'revoked') this.revocationsNow += 1;
    const revoked = this.channels.get(deviceKey(device));
    const wasLinked = revoked?.isLinked ?? false;
    this.drop(device, cause);
    if (!revoked) return;
    await this.serial.run(deviceKey(device), async () => {
      await this.store.close(device);
      if (wasLinked) await this.tell((observer) => observer.deviceGone(device, cause));
    });
  }

  /** A signed-in device was added to its user's list: from now on it takes part. */
  async linked(device: DeviceAddress): Promise<void> {
    await this.serial.run(deviceKey(device), async () => {
      const channel = this.channels.get(deviceKey(device));
      const connection = channel?.connection;
      if (!channel || channel.isLinked) return;
      channel.isLinked = true;
      if (!connection?.device) return;
      connection.device = { caller: { ...connection.device.caller, linked: true }, hasAccount: true };
      await this.tell((observer) => observer.deviceReachable?.(device, 'signed-in'));
    });
  }

  /** Devices of a user that are connected or resumable, linked or not. */
  devicesOf(tenant: TenantId, userId: UserId): readonly DeviceAddress[] {
    return [...(this.byUser.get(userKey(tenant, userId)) ?? [])].map((channel) => channel.device);
  }

  /** What the transport's heartbeat proves to have been received need not be kept. */
  pingSent(connection: Connection): void {
    this.channelOn(connection)?.pingSent();
  }

  async pongReceived(connection: Connection): Promise<void> {
    const channel = this.channelOn(connection);
    if (channel) await this.store.trim(channel.device, channel.pongReceived());
  }

  notifyDevice<Name extends ServerEventName>(
    device: DeviceAddress,
    name: Name,
    payload: EventOf<Name>,
  ): boolean {
    const channel = this.channels.get(deviceKey(device));
    if (!channel) return false;
    const event: ResumeEvent = channel.push(name, payload);
    void this.tasks.attempt('Keeping an event for a resume', () => this.store.append(device, event));
    return true;
  }

  notifyConnected<Name extends ServerEventName>(
    device: DeviceAddress,
    name: Name,
    payload: EventOf<Name>,
  ): boolean {
    return this.channels.get(deviceKey(device))?.show(name, payload) ?? false;
  }

  notifyUser<Name extends ServerEventName>(
    tenant: TenantId,
    userId: UserId,
    name: Name,
    payload: EventOf<Name>,
    except?: DeviceId,
  ): number {
    let reached = 0;
    for (const { device, isLinked } of this.byUser.get(userKey(tenant, userId)) ?? []) {
      if (!isLinked || device.deviceId === except) continue;
      if (this.notifyDevice(device, name, payload)) reached += 1;
    }
    return reached;
  }

  resumableDevices(tenant: TenantId, userId: UserId): readonly DeviceId[] {
    return [...(this.byUser.get(userKey(tenant, userId)) ?? [])]
      .filter(({ isLinked }) => isLinked)
      .map(({ device }) => device.deviceId);
  }

  connectedDevices(tenant: TenantId, userId: UserId): readonly DeviceId[] {
    return [...(this.byUser.get(userKey(tenant, userId)) ?? [])]
      .filter((channel) => channel.isLinked && channel.connection !== undefined)
      .map((channel) => channel.device.deviceId);
  }

  private async expire(device: DeviceAddress): Promise<void> {
    await this.serial.run(deviceKey(device), async () => {
      const channel = this.channels.get(deviceKey(device));
      if (!channel || channel.connection) return;
      this.forget(channel);
      await this.store.close(device);
      if (channel.isLinked) await this.tell((observer) => observer.deviceGone(device, 'expired'));
    });
  }

  private channelOn(connection: Connection): DeviceChannel | undefined {
    const device = connection.device?.caller;
    const channel = device && this.channels.get(deviceKey(device));
    return channel?.connection === connection ? channel : undefined;
  }

  /** Forgets the channel of a device and parts with its connection. */
  private drop(device: DeviceAddress, cause: 'replaced' | 'signed-off' | 'revoked'): void {
    const channel = this.channels.get(deviceKey(device));
    if (!channel) return;
    this.forget(channel);
    const connection = channel.connection;
    if (!connection) return;
    connection.device = undefined;
    if (cause !== 'signed-off') part(connection, cause);
  }

  /** Parts with the connection that a resuming device left behind, if the loss was not noticed yet. */
  private replace(channel: DeviceChannel, by: Connection): void {
    const older = channel.connection;
    if (!older || older === by) return;
    older.device = undefined;
    part(older, 'replaced');
  }

  private keep(channel: DeviceChannel): DeviceChannel {
    const { device } = channel;
    this.channels.set(deviceKey(device), channel);
    const key = userKey(device.tenant, device.userId);
    const siblings = this.byUser.get(key) ?? new Set();
    this.byUser.set(key, siblings.add(channel));
    return channel;
  }

  private forget(channel: DeviceChannel): void {
    const { device } = channel;
    this.endExpiry(device);
    this.channels.delete(deviceKey(device));
    const key = userKey(device.tenant, device.userId);
    const siblings = this.byUser.get(key);
    siblings?.delete(channel);
    if (siblings?.size === 0) this.byUser.delete(key);
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
