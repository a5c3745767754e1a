import { transportAddressKey, type TransportAddress } from '../../net/transport-address.ts';
import { after, type Instant } from '../../time/instant.ts';
import { TimerQueue, type Timer } from '../../time/timer-queue.ts';
import { CHANNEL_RENEWAL_S, PERMISSION_RENEWAL_S } from '../limits.ts';
import { PeerTable, type PeerChannel, type PeerPermission } from './peer-table.ts';
import type { RequestPurpose } from './request-purpose.ts';
import type { TurnClientOutput, TurnFailure } from './turn-client-types.ts';

type Renewal =
  | { readonly kind: 'permission'; readonly permission: PeerPermission }
  | { readonly kind: 'channel'; readonly channel: PeerChannel };

interface PeerKeeperHost {
  request(purpose: RequestPurpose, now: Instant): void;
  emit(output: TurnClientOutput): void;
}

/** Gets and renews the permissions and channels of the peers that the owner of the client asked for. */
export class PeerKeeper {
  readonly table = new PeerTable();
  private readonly host: PeerKeeperHost;
  private readonly renewals = new TimerQueue<Renewal>();
  private readonly permissionTimers = new Map<PeerPermission, Timer<Renewal>>();
  private readonly channelTimers = new Map<PeerChannel, Timer<Renewal>>();
  /** Whether there is an allocation; what is asked for before is remembered. */
  private isStarted = false;

  constructor(host: PeerKeeperHost) {
    this.host = host;
  }

  start(now: Instant): void {
    this.isStarted = true;
    for (const permission of this.table.permissions()) {
      if (permission.awaiting.size > 0) this.requestPermission(permission, now);
    }
    for (const channel of this.table.channels()) if (channel.isWanted) this.requestChannel(channel, now);
  }

  stop(): void {
    this.isStarted = false;
    for (const timer of [...this.permissionTimers.values(), ...this.channelTimers.values()])
      this.renewals.remove(timer);
    for (const permission of this.table.permissions()) permission.isInstalled = false;
    for (const channel of this.table.channels()) channel.isBound = false;
  }

  permit(peer: TransportAddress, now: Instant): void {
    const permission = this.table.wantPermission(peer);
    if (permission.isInstalled) {
      this.host.emit({ kind: 'permitted', peer });
      return;
    }
    permission.awaiting.set(transportAddressKey(peer), peer);
    if (this.isStarted) this.requestPermission(permission, now);
  }

  bindChannel(peer: TransportAddress, now: Instant): void {
    const channel = this.table.wantChannel(peer);
    if (channel === undefined) {
      this.host.emit({ kind: 'peer-refused', peer, failure: { code: 'NAT_TURN_CAPACITY' } });
      return;
    }
    this.table.wantPermission(peer);
    if (channel.isBound) this.host.emit({ kind: 'channel-bound', peer, channel: channel.number });
    else if (this.isStarted) this.requestChannel(channel, now);
  }

  permissionInstalled(permission: PeerPermission, now: Instant): void {
    permission.isRequested = false;
    this.hold(permission, now);
    for (const peer of permission.awaiting.values()) this.host.emit({ kind: 'permitted', peer });
    permission.awaiting.clear();
  }

  channelBound(channel: PeerChannel, now: Instant): void {
    const isFirst = !channel.isBound;
    channel.isRequested = false;
    channel.isBound = true;
    this.arm(this.channelTimers, channel, { kind: 'channel', channel }, after(now, CHANNEL_RENEWAL_S * 1000));
    // ChannelBind installs the permission too (RFC 8656 section 12.2).
    if (channel.isWanted) this.hold(this.table.wantPermission(channel.peer), now);
    if (isFirst) this.host.emit({ kind: 'channel-bound', peer: channel.peer, channel: channel.number });
  }

  permissionRefused(permission: PeerPermission, failure: TurnFailure): void {
    const peers = [...permission.wantedBy.values()];
    this.forget(permission);
    for (const peer of peers) this.host.emit({ kind: 'peer-refused', peer, failure });
  }

  channelRefused(channel: PeerChannel, failure: TurnFailure): void {
    channel.isRequested = false;
    channel.isBound = false;
    channel.isWanted = false;
    this.host.emit({ kind: 'peer-refused', peer: channel.peer, failure });
  }

  handleTimeout(now: Instant): void {
    for (let due = this.renewals.takeDue(now); due !== undefined; due = this.renewals.takeDue(now)) {
      if (due.kind === 'permission') {
        if (due.permission.wantedBy.size > 0) this.requestPermission(due.permission, now);
        else this.forget(due.permission);
      } else if (due.channel.isWanted) {
        this.requestChannel(due.channel, now);
      } else {
        due.channel.isBound = false;
      }
    }
  }

  nextTimeoutAt(): Instant | undefined {
    return this.renewals.nextAt();
  }

  private requestPermission(permission: PeerPermission, now: Instant): void {
    if (permission.isRequested) return;
    permission.isRequested = true;
    this.host.request({ kind: 'permission', permission }, now);
  }

  private requestChannel(channel: PeerChannel, now: Instant): void {
    if (channel.isRequested) return;
    channel.isRequested = true;
    this.host.request({ kind: 'channel', channel }, now);
  }

  private hold(permission: PeerPermission, now: Instant): void {
    permission.isInstalled = true;
    const renewAt = after(now, PERMISSION_RENEWAL_S * 1000);
    this.arm(this.permissionTimers, permission, { kind: 'permission', permission }, renewAt);
  }

  private forget(permission: PeerPermission): void {
    permission.isInstalled = false;
    permission.isRequested = false;
    const timer = this.permissionTimers.get(permission);
    if (timer !== undefined) this.renewals.remove(timer);
    this.permissionTimers.delete(permission);
    this.table.forgetPermission(permission);
  }

  private arm<T>(timers: Map<T, Timer<Renewal>>, key: T, renewal: Renewal, at: Instant): void {
    const timer = timers.get(key);
    if (timer === undefined) timers.set(key, this.renewals.add(renewal, at));
    else this.renewals.move(timer, at);
  }
}
