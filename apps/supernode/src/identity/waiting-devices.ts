import { Inject, Injectable, Optional } from '@nestjs/common';
import { LIMITS, type DeviceId, type TenantId } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { Refusal } from '../refusal.ts';
import type { ConnectionContext } from './connection-context.ts';
import type { ProvenDevice } from './device-proof.ts';

/** Devices that wait at one time; each holds a connection, and connections are bounded per source. */
const MAX_WAITING = 10_000;

interface WaitingDevice {
  readonly device: ProvenDevice;
  readonly connection: ConnectionContext;
  readonly expiresAt: number;
}

/** Devices that wait on their connection until a device of an account lets them in. */
@Injectable()
export class WaitingDevices {
  /** In the order of expiry, as all wait equally long. */
  private readonly waiting = new Map<string, WaitingDevice>();

  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Optional() private readonly maxWaiting = MAX_WAITING,
  ) {}

  /** @throws Refusal LIMIT_EXCEEDED */
  add(device: ProvenDevice, connection: ConnectionContext): void {
    const key = keyOf(device.tenant, device.deviceId);
    this.waiting.delete(key);
    this.forgetGone();
    if (this.waiting.size >= this.maxWaiting) throw new Refusal('LIMIT_EXCEEDED');
    this.waiting.set(key, { device, connection, expiresAt: this.clock.monotonic() + LIMITS.linkLifetimeMs });
  }

  find(tenant: TenantId, deviceId: DeviceId): WaitingDevice | undefined {
    const found = this.waiting.get(keyOf(tenant, deviceId));
    return found?.connection.isOpen === true && found.expiresAt > this.clock.monotonic() ? found : undefined;
  }

  remove(tenant: TenantId, deviceId: DeviceId): void {
    this.waiting.delete(keyOf(tenant, deviceId));
  }

  private forgetGone(): void {
    for (const [key, entry] of this.waiting) {
      const isFull = this.waiting.size >= this.maxWaiting;
      if (entry.expiresAt > this.clock.monotonic() && !isFull) break;
      if (entry.expiresAt <= this.clock.monotonic() || !entry.connection.isOpen) this.waiting.delete(key);
    }
  }
}

function keyOf(tenant: TenantId, deviceId: DeviceId): string {
  return `${tenant} ${deviceId}`;
}
