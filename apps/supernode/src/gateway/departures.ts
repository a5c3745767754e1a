import { Inject, Injectable } from '@nestjs/common';
import type { EventOf } from '@parley/protocol';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { EDGE_CONFIG } from '../config/config.module.ts';
import type { EdgeConfig } from '../config/config.schema.ts';
import type { Connection } from './connection.ts';
import { UserHomes } from './user-homes.ts';

const BATCH_MS = 100;
/** In which a client that was told to leave comes to the next supernode; the batches are apart already. */
const WINDOW_MS = 500;
/** Clients that leave find room elsewhere with this part of the rate at which a supernode takes those who resume. */
const RATE_SHARE = 0.7;

/** Sends connected clients to other supernodes: in batches and in no order, so that those who take them in are not flooded. */
@Injectable()
export class Departures {
  constructor(
    private readonly homes: UserHomes,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    @Inject(EDGE_CONFIG) private readonly config: Pick<EdgeConfig, 'resumesPerSecond' | 'drainSeconds'>,
  ) {}

  /**
   * Says go-away to each and closes it; resolves when all were told.
   *
   * @param withinMs - the longest time that this may take
   */
  async send(
    connections: Iterable<Connection>,
    reason: 'redirect' | 'draining',
    withinMs = this.config.drainSeconds * 1000,
  ): Promise<void> {
    const left = shuffled([...connections]);
    const perBatch = (this.config.resumesPerSecond * RATE_SHARE * BATCH_MS) / 1000;
    const batches = Math.max(1, Math.min(Math.floor(withinMs / BATCH_MS), Math.ceil(left.length / perBatch)));
    const size = Math.ceil(left.length / batches);
    while (left.length > 0) {
      for (const connection of left.splice(0, size)) this.tell(connection, reason);
      if (left.length > 0) await this.pause(BATCH_MS * (0.5 + Math.random()));
    }
  }

  private tell(connection: Connection, reason: 'redirect' | 'draining'): void {
    if (!connection.isOpen) return;
    const user = connection.device?.caller;
    // Asked at the last moment: the roster may have changed since.
    const alternates: EventOf<'go-away'>['alternates'] = user ? [...this.homes.alternatesOf(user)] : [];
    connection.send('go-away', { reason, alternates, retryAfterMs: 0, windowMs: WINDOW_MS });
    connection.close();
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.scheduler.after(milliseconds, resolve));
  }
}

/** Fisher and Yates. */
function shuffled<Item>(items: Item[]): Item[] {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    const [a, b] = [items[last], items[other]];
    if (a !== undefined && b !== undefined) [items[last], items[other]] = [b, a];
  }
  return items;
}
