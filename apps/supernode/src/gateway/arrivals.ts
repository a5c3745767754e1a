import { LIMITS } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import type { Scheduler } from '../clock/scheduler.port.ts';
import { slotOf, type Slot } from '../cluster/slot.ts';
import { userKey } from '../identity/caller.ts';
import type { UserAddress } from '../identity/connection-context.ts';

/** A record lives on for the resume window after its owner was lost, which may be noticed late. */
const ARRIVAL_MS = LIMITS.resumeWindowMs + 60_000;

/** Users of a slot that this supernode gained, whose devices it has not looked up yet. */
interface Arrival {
  readonly known: Set<string>;
}

/**
 * Devices that another supernode left behind, resumable and not connected, become known here when somebody has something to tell
 * them, and at the latest when they come back. Only for a while after a slot was gained: later none can be left.
 */
export class Arrivals {
  private readonly arrivals = new Map<Slot, Arrival>();
  private readonly waiting = new Map<string, (() => void)[]>();

  /** @param lookUp - takes over all devices of a user that are recorded */
  constructor(
    private readonly lookUp: (user: UserAddress) => Promise<void>,
    private readonly scheduler: Scheduler,
    private readonly tasks: BackgroundTasks,
  ) {}

  gained(slots: ReadonlySet<Slot>): void {
    if (slots.size === 0) return;
    const begun = new Map([...slots].map((slot) => [slot, { known: new Set<string>() }]));
    for (const [slot, arrival] of begun) this.arrivals.set(slot, arrival);
    this.scheduler.after(ARRIVAL_MS, () => {
      for (const [slot, arrival] of begun)
        if (this.arrivals.get(slot) === arrival) this.arrivals.delete(slot);
    });
  }

  lost(slots: ReadonlySet<Slot>): void {
    for (const slot of slots) this.arrivals.delete(slot);
  }

  /** Runs `task` at once where all devices of the user are known, else behind what waits for them already. */
  whenKnown(user: UserAddress, task: () => void): void {
    if (!this.mayMiss(user)) task();
    else this.wait(user, task);
  }

  private mayMiss({ tenant, userId }: UserAddress): boolean {
    if (this.arrivals.size === 0) return false;
    const arrival = this.arrivals.get(slotOf(tenant, userId));
    return arrival !== undefined && !arrival.known.has(userKey(tenant, userId));
  }

  private wait(user: UserAddress, task: () => void): void {
    const key = userKey(user.tenant, user.userId);
    const queue = this.waiting.get(key);
    if (queue) queue.push(task);
    else {
      this.waiting.set(key, [task]);
      void this.settle(user, key);
    }
  }

  private async settle(user: UserAddress, key: string): Promise<void> {
    const arrival = this.arrivals.get(slotOf(user.tenant, user.userId));
    // Where the store is out of reach the devices stay unknown, and the next event asks again.
    await this.tasks.attempt('Taking over the devices of a user', async () => {
      await this.lookUp(user);
      arrival?.known.add(key);
    });
    const queue = this.waiting.get(key) ?? [];
    this.waiting.delete(key);
    for (const task of queue) task();
  }
}
