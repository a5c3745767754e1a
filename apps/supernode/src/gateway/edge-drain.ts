import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { EDGE_CONFIG } from '../config/config.module.ts';
import type { EdgeConfig } from '../config/config.schema.ts';
import { ConnectionLifecycle } from './connection-lifecycle.ts';
import { Departures } from './departures.ts';
import { RELAY_ACCESS, type RelayAccess } from './relay-access.port.ts';

const LOOK_MS = 50;
/** Of the drain time: so long clients wait for the roster to give them another home before they are sent off without one. */
const ROSTER_SHARE = 0.5;

/**
 * How a supernode stops (DESIGN 5.8). In a cluster the roster takes its slots away first, so that every client is sent to a
 * supernode that is its home already, and what it relays goes on until the deadline. Alone, it tells everybody to come back.
 */
@Injectable()
export class EdgeDrain {
  constructor(
    private readonly lifecycle: ConnectionLifecycle,
    private readonly departures: Departures,
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'self' | 'activeNodes'>,
    @Inject(RELAY_ACCESS) private readonly relay: Pick<RelayAccess, 'isRelaying'>,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(EDGE_CONFIG) private readonly config: Pick<EdgeConfig, 'drainSeconds'>,
  ) {}

  /** Resolves when everybody has gone, or the time is over. */
  async run(): Promise<void> {
    const drainMs = this.config.drainSeconds * 1000;
    const deadline = this.clock.monotonic() + drainMs;
    this.lifecycle.refuseNew();
    if (!this.ownership.activeNodes().some((nodeId) => nodeId !== this.ownership.self)) {
      this.lifecycle.sendAway(drainMs);
      return;
    }
    await this.departures.send(this.lifecycle.strangers(), 'draining', 0);
    await this.until(() => this.lifecycle.connections === 0, deadline - drainMs * (1 - ROSTER_SHARE));
    await this.departures.send(
      this.lifecycle.remaining(),
      'draining',
      Math.max(0, deadline - this.clock.monotonic()),
    );
    await this.until(async () => !(await this.relay.isRelaying()), deadline);
  }

  private async until(isDone: () => boolean | Promise<boolean>, deadline: number): Promise<void> {
    while (this.clock.monotonic() < deadline && !(await isDone())) {
      await new Promise<void>((resolve) => this.scheduler.after(LOOK_MS, resolve));
    }
  }
}
