import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import type { UserAddress } from '../identity/connection-context.ts';
import { UserHomes } from './user-homes.ts';

/** How long a handover takes from a supernode that does not answer, and a start of all of them besides. */
const MAX_WAIT_MS = 5_000;
const LOOK_MS = 100;

interface Waiter {
  readonly user: UserAddress;
  readonly isWanted: () => boolean;
  readonly resolve: () => void;
  looksLeft: number;
}

/**
 * Users whose home this supernode is about to become: the roster names it, and it waits for the former one. Their clients are here
 * already, and to send them away would cost a connection for each time that they ask again. Bounded by the connections, each of
 * which has one sign-in under way.
 */
@Injectable()
export class ComingHomes implements OnModuleDestroy {
  private waiters: Waiter[] = [];
  private cancelLook: (() => void) | undefined;

  constructor(
    private readonly homes: UserHomes,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
  ) {}

  onModuleDestroy(): void {
    this.cancelLook?.();
    for (const { resolve } of this.waiters) resolve();
  }

  /** Resolves when it is decided who the home is, or when that takes too long: whoever waited asks then. */
  settled(user: UserAddress, isWanted: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.waiters.push({ user, isWanted, resolve, looksLeft: MAX_WAIT_MS / LOOK_MS });
      this.lookSoon();
    });
  }

  /** Changes of the roster are not all: a right that lapsed comes back without one. */
  private look(): void {
    this.waiters = this.waiters.filter((waiter) => {
      waiter.looksLeft -= 1;
      const isOver = waiter.looksLeft <= 0 || !waiter.isWanted() || !this.homes.isComing(waiter.user);
      if (isOver) waiter.resolve();
      return !isOver;
    });
    if (this.waiters.length > 0) this.lookSoon();
  }

  private lookSoon(): void {
    this.cancelLook ??= this.scheduler.after(LOOK_MS, () => {
      this.cancelLook = undefined;
      this.look();
    });
  }
}
