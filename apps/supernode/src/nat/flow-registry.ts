import { randomBytes } from 'node:crypto';
import type { FlowServerControl, FlowServerEvent } from '@parley/nat';
import { decodeBase64url, encodeBase64url, type FlowCredentials } from '@parley/protocol';
import type { Clock } from '../clock/clock.port.ts';
import type { Scheduler } from '../clock/scheduler.port.ts';
import type { FlowOccasion } from '../gateway/relay-access.port.ts';
import type { ConnectionObserver } from '../gateway/connection-observer.port.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import type { PeerFlows } from '../rendezvous/peer-flows.port.ts';

const FLOW_ID_BYTES = 8;
const FLOW_KEY_BYTES = 32;
const RELAY_ID_BYTES = 8;
/** From the welcome until the device is there; a sign-in that comes to nothing leaves no flow behind. */
const ADMISSION_MS = 60_000;
/** For the last datagrams of a session that ended. */
const RELAY_LINGER_MS = 3000;

/** What operators set. */
export interface FlowQuotas {
  readonly relays: number;
  readonly relaysPerDevice: number;
  /** How long a device whose connection is gone for good may go on to be relayed: as long as a TURN credential lasts. */
  readonly orphanMs: number;
}

interface Flow {
  readonly device: DeviceAddress;
  readonly flowId: Uint8Array;
  readonly key: Uint8Array;
  addresses: readonly string[];
  readonly relays: Set<string>;
  /** Relays of this device's own pending offers: an offer of somebody else's takes nothing from it. */
  readonly reserved: Set<string>;
  /** By the monotonic clock. A relay thread that ends takes its timers along. */
  endsAt: number | undefined;
  /** Its signalling is gone for good: without a relay there is nothing to keep it for. */
  isOrphan: boolean;
}

interface Relay {
  readonly devices: readonly [DeviceAddress, DeviceAddress];
  cancelClosing?: () => void;
}

/** Room for a relay of an offer that nobody answered yet. */
interface Reservation {
  readonly owner: string;
  readonly cancelExpiry: () => void;
}

/**
 * Which devices have a flow and which two are relayed, on the main thread; the relay thread is told and tells where devices
 * are. Bounded by the devices that are signed in, and by the quotas.
 */
export class FlowRegistry implements PeerFlows, ConnectionObserver {
  private readonly flows = new Map<string, Flow>();
  private readonly relays = new Map<string, Relay>();
  private readonly reservations = new Map<string, Reservation>();
  private refused = 0;
  private control: (input: FlowServerControl) => void = () => undefined;

  constructor(
    private readonly quotas: FlowQuotas,
    private readonly scheduler: Scheduler,
    private readonly clock: Clock,
  ) {}

  /** Whom to tell. Nobody is where there is no relay; what happened before is in {@link replay}. */
  connect(control: (input: FlowServerControl) => void): void {
    this.control = control;
  }

  /** Relays that were not given because of a quota. */
  get refusedRelays(): number {
    return this.refused;
  }

  /** At a sign-in a flow with fresh keys, else the one that the device has, if any. */
  open(
    device: DeviceAddress,
    servers: readonly string[],
    occasion: FlowOccasion,
  ): FlowCredentials | undefined {
    if (servers.length === 0) return undefined;
    const owner = deviceKey(device);
    const known = this.flows.get(owner);
    const flow = occasion !== 'sign-in' && known ? known : this.admit(device, known);
    if (occasion === 'request') this.limit(device, null);
    return {
      id: encodeBase64url(flow.flowId),
      key: encodeBase64url(flow.key),
      servers: [...servers],
    };
  }

  /** Ends the flow and its relays at once. */
  close(device: DeviceAddress): void {
    const owner = deviceKey(device);
    if (this.flows.has(owner)) this.control({ kind: 'close-flow', owner });
    this.forget(owner);
  }

  deviceReachable(device: DeviceAddress): void {
    const flow = this.flows.get(deviceKey(device));
    if (flow) flow.isOrphan = false;
    this.limit(device, null);
  }

  /** A path needs no supernode but this one's relay: a device that only lost its signalling keeps it for a while. */
  deviceGone(device: DeviceAddress, cause: 'signed-off' | 'expired' | 'revoked'): void {
    const flow = this.flows.get(deviceKey(device));
    if (!flow) return;
    if (cause === 'expired' && flow.relays.size > 0) {
      flow.isOrphan = true;
      this.limit(device, this.quotas.orphanMs);
    } else this.close(device);
  }

  /** Its next home gives it another flow; what this one relays goes on for a while, as for a device that is gone. */
  deviceMoved(device: DeviceAddress): void {
    this.deviceGone(device, 'expired');
  }

  observedAddresses(device: DeviceAddress): readonly string[] {
    return this.flows.get(deviceKey(device))?.addresses ?? [];
  }

  mintRelay(caller: DeviceAddress, callee: DeviceAddress, forMs: number): string | undefined {
    const flows = [caller, callee].map((device) => this.flows.get(deviceKey(device)));
    if (!flows.every((flow) => flow !== undefined && flow.addresses.length > 0)) return undefined;
    if (!this.hasRoom(caller, callee)) return undefined;
    const id = encodeBase64url(randomBytes(RELAY_ID_BYTES));
    const owner = deviceKey(caller);
    this.flows.get(owner)?.reserved.add(id);
    this.reservations.set(id, { owner, cancelExpiry: this.scheduler.after(forMs, () => this.release(id)) });
    return id;
  }

  openRelay(id: string, caller: DeviceAddress, callee: DeviceAddress): void {
    this.release(id);
    // Minted where both lived; one of them may live elsewhere by now.
    if (!this.flows.has(deviceKey(caller)) || !this.flows.has(deviceKey(callee))) return;
    // The callee may have accepted more than it has room for, and of who gave its reservation back the room may be taken.
    if (!this.hasRoom(caller, callee)) return;
    const devices: [DeviceAddress, DeviceAddress] = [caller, callee];
    for (const device of devices) this.flows.get(deviceKey(device))?.relays.add(id);
    this.relays.set(id, { devices });
    this.control(openPair(id, devices));
  }

  closeRelay(id: string): void {
    this.release(id);
    const relay = this.relays.get(id);
    if (!relay || relay.cancelClosing) return;
    relay.cancelClosing = this.scheduler.after(RELAY_LINGER_MS, () => this.endRelay(id));
  }

  closeRelaysBetween(tenant: DeviceAddress['tenant'], users: readonly [string, string]): void {
    for (const [id, { devices }] of [...this.relays]) {
      const isBetween = devices.every((device) => device.tenant === tenant && users.includes(device.userId));
      if (isBetween && devices[0].userId !== devices[1].userId) this.endRelay(id);
    }
  }

  /** Everything that a relay thread which knows nothing must be told; it will tell anew where devices are. */
  replay(): readonly FlowServerControl[] {
    const now = this.clock.monotonic();
    for (const [owner, { endsAt = Infinity }] of [...this.flows]) if (endsAt <= now) this.forget(owner);
    for (const flow of this.flows.values()) flow.addresses = [];
    return [
      ...[...this.flows].flatMap(([owner, { flowId, key, endsAt }]): FlowServerControl[] => [
        openFlow(owner, flowId, key),
        ...(endsAt === undefined ? [] : [{ kind: 'limit-flow' as const, owner, forMs: endsAt - now }]),
      ]),
      ...[...this.relays].map(([id, { devices }]) => openPair(id, devices)),
    ];
  }

  happened(event: FlowServerEvent): void {
    switch (event.kind) {
      case 'flow-observed': {
        const flow = this.flows.get(event.owner);
        if (flow) flow.addresses = event.addresses;
        break;
      }
      case 'flow-ended': {
        const flow = this.flows.get(event.owner);
        // A device that came back meanwhile has another one.
        if (flow && encodeBase64url(flow.flowId) === encodeBase64url(event.flowId)) this.forget(event.owner);
        break;
      }
      case 'relay-pair-ended':
        this.forgetRelay(encodeBase64url(event.relayId));
        break;
    }
  }

  private admit(device: DeviceAddress, known: Flow | undefined): Flow {
    const owner = deviceKey(device);
    const flow: Flow = {
      device,
      flowId: randomBytes(FLOW_ID_BYTES),
      key: randomBytes(FLOW_KEY_BYTES),
      addresses: known?.addresses ?? [],
      relays: known?.relays ?? new Set(),
      reserved: known?.reserved ?? new Set(),
      endsAt: undefined,
      isOrphan: false,
    };
    this.flows.set(owner, flow);
    this.control(openFlow(owner, flow.flowId, flow.key));
    this.limit(device, ADMISSION_MS);
    return flow;
  }

  private limit(device: DeviceAddress, forMs: number | null): void {
    const owner = deviceKey(device);
    const flow = this.flows.get(owner);
    if (!flow) return;
    flow.endsAt = forMs === null ? undefined : this.clock.monotonic() + forMs;
    this.control({ kind: 'limit-flow', owner, forMs });
  }

  /** One that has not is counted. */
  private hasRoom(caller: DeviceAddress, callee: DeviceAddress): boolean {
    const { relays, relaysPerDevice } = this.quotas;
    const [from, to] = [caller, callee].map((device) => this.flows.get(deviceKey(device)));
    const hasRoom =
      this.relays.size + this.reservations.size < relays &&
      (from?.relays.size ?? 0) + (from?.reserved.size ?? 0) < relaysPerDevice &&
      (to?.relays.size ?? 0) < relaysPerDevice;
    if (!hasRoom) this.refused += 1;
    return hasRoom;
  }

  private release(id: string): void {
    const reservation = this.reservations.get(id);
    if (!reservation) return;
    reservation.cancelExpiry();
    this.reservations.delete(id);
    this.flows.get(reservation.owner)?.reserved.delete(id);
  }

  private endRelay(id: string): void {
    const relayId = decodeBase64url(id);
    if (this.relays.has(id) && relayId) this.control({ kind: 'close-relay-pair', relayId });
    this.forgetRelay(id);
  }

  private forget(owner: string): void {
    const flow = this.flows.get(owner);
    this.flows.delete(owner);
    for (const id of [...(flow?.reserved ?? [])]) this.release(id);
    for (const id of [...(flow?.relays ?? [])]) this.forgetRelay(id);
  }

  private forgetRelay(id: string): void {
    const relay = this.relays.get(id);
    this.relays.delete(id);
    relay?.cancelClosing?.();
    for (const device of relay?.devices ?? []) {
      const flow = this.flows.get(deviceKey(device));
      flow?.relays.delete(id);
      if (flow?.isOrphan && flow.relays.size === 0) this.close(device);
    }
  }
}

function openFlow(owner: string, flowId: Uint8Array, key: Uint8Array): FlowServerControl {
  return { kind: 'open-flow', owner, flowId, key };
}

function openPair(id: string, [a, b]: Relay['devices']): FlowServerControl {
  return {
    kind: 'open-relay-pair',
    relayId: decodeBase64url(id) ?? new Uint8Array(RELAY_ID_BYTES),
    owners: [deviceKey(a), deviceKey(b)],
  };
}
