import { instant } from '@parley/nat';
import type { Clock } from '../clock/clock.port.ts';
import type { Scheduler } from '../clock/scheduler.port.ts';
import { AddressClaims } from './address-claims.ts';
import { advertisedAddresses, type AddressFacts } from './advertised-addresses.ts';
import { ClusterDriver, type ClusterDriverParts } from './cluster-driver.ts';
import type { ClusterView } from './core/cluster-io.ts';
import type { NodeId } from './node-record.ts';
import type { OwnAddresses } from './own-addresses.ts';

export type KnownAddresses = Omit<AddressFacts, 'reflexiveAddress'>;

/** Takes part in the cluster from when the listeners are bound until the process ends. */
export class ClusterRuntime {
  readonly view: ClusterView;
  /** By which the view is asked. */
  readonly clock: Clock;
  private readonly scheduler: Scheduler;
  private readonly driver: ClusterDriver;
  private known: KnownAddresses | undefined;
  private reflexiveAddress: string | undefined;
  private readonly claims = new AddressClaims();

  constructor(
    parts: Omit<ClusterDriverParts, 'onReflexiveAddress'>,
    private readonly addresses: OwnAddresses,
  ) {
    this.view = parts.core;
    this.clock = parts.clock;
    this.scheduler = parts.scheduler;
    this.driver = new ClusterDriver({
      ...parts,
      onReflexiveAddress: (address, peer) => this.learn(address, peer),
    });
  }

  /** Joins; the listeners answer by now. */
  async start(known: KnownAddresses): Promise<void> {
    this.known = known;
    const addresses = advertisedAddresses({ ...known, reflexiveAddress: undefined });
    this.addresses.publish(addresses);
    await this.driver.start(addresses);
  }

  /** Gives seat and slots to others; resolves when they have them. The process stays, without a seat. */
  drain(): Promise<void> {
    return this.driver.drain();
  }

  /** The same, but no longer than `limitMs`; whether others have the slots. */
  async giveUpSlots(limitMs: number): Promise<boolean> {
    let cancel: () => void = () => undefined;
    const late = new Promise<boolean>((resolve) => {
      cancel = this.scheduler.after(limitMs, () => resolve(false));
    });
    const isDrained = await Promise.race([this.drain().then(() => true), late]);
    cancel();
    return isDrained;
  }

  leave(): Promise<void> {
    return this.driver.leave();
  }

  /** What others see decides where nothing was configured (DESIGN 5.2), once they agree; it stays until they agree on something else. */
  private learn(claimed: string, peer: NodeId): void {
    const address = this.claims.heard(peer, claimed, instant(this.clock.monotonic()));
    if (this.known === undefined || address === undefined || address === this.reflexiveAddress) return;
    this.reflexiveAddress = address;
    const before = this.addresses.published;
    const addresses = advertisedAddresses({ ...this.known, reflexiveAddress: address });
    if (addresses.edge === before?.edge && addresses.stun === before.stun) return;
    this.addresses.publish(addresses);
    this.driver.addressesChanged(addresses);
  }
}

/** A {@link ClusterRuntime}, or null where one supernode runs alone. */
export const CLUSTER_RUNTIME = Symbol('ClusterRuntime');
