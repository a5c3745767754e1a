import { encodeBase64url } from '@parley/protocol';
import type { DeviceAddress } from '../../identity/caller.ts';
import type { PeerFlows } from '../peer-flows.port.ts';

/** Flows as a test says they are, and what became of their relays. */
export class MemoryPeerFlows implements PeerFlows {
  /** By device id; who is missing has no flow. */
  readonly addresses = new Map<string, readonly string[]>();
  /** `open id a b`, `close id`, `block a b`. */
  readonly log: string[] = [];
  private minted = 0;

  observedAddresses({ deviceId }: DeviceAddress): readonly string[] {
    return this.addresses.get(deviceId) ?? [];
  }

  mintRelay(a: DeviceAddress, b: DeviceAddress): string | undefined {
    if (!this.addresses.has(a.deviceId) || !this.addresses.has(b.deviceId)) return undefined;
    this.minted += 1;
    return encodeBase64url(new Uint8Array(8).fill(this.minted));
  }

  openRelay(id: string, a: DeviceAddress, b: DeviceAddress): void {
    this.log.push(`open ${id} ${a.deviceId} ${b.deviceId}`);
  }

  closeRelay(id: string): void {
    this.log.push(`close ${id}`);
  }

  closeRelaysBetween(_tenant: DeviceAddress['tenant'], [a, b]: readonly [string, string]): void {
    this.log.push(`block ${a} ${b}`);
  }
}
