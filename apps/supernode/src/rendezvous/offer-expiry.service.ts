import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import type { BrokeredSession } from './brokered-session.ts';
import { CallLegs } from './call-legs.service.ts';
import { SESSION_BOOK, type SessionBook } from './session-book.port.ts';
import { SessionNews } from './session-news.service.ts';

const SWEEP_INTERVAL_MS = 250;

/** Ends offers that nobody answered in time, and calls that a party left without a word. */
@Injectable()
export class OfferExpiry implements OnModuleInit, OnModuleDestroy {
  private cancelSweep: (() => void) | undefined;
  private isFailing = false;

  constructor(
    @Inject(SESSION_BOOK) private readonly book: SessionBook,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly news: SessionNews,
    private readonly calls: CallLegs,
    private readonly background: BackgroundTasks,
  ) {}

  onModuleInit(): void {
    this.cancelSweep = this.scheduler.after(SWEEP_INTERVAL_MS, () => {
      void this.background.attempt('ending expired offers', () => this.sweep());
      this.onModuleInit();
    });
  }

  onModuleDestroy(): void {
    this.cancelSweep?.();
  }

  private async sweep(): Promise<void> {
    try {
      await this.endExpired();
      this.isFailing = false;
    } catch (error) {
      // A store that is away would fill the log: of each time that it is, the first sweep tells.
      if (this.isFailing) return;
      this.isFailing = true;
      throw error;
    }
  }

  private async endExpired(): Promise<void> {
    const expired = await this.book.takeExpired(this.clock.now());
    for (const session of expired) {
      await this.background.attempt('ending an expired session', () => {
        this.end(session);
        return Promise.resolve();
      });
    }
    if (expired.length > 0) await this.book.confirmExpired(expired);
  }

  private end(session: BrokeredSession): void {
    if (session.state === 'answered') {
      this.calls.overdue(session);
      return;
    }
    if (this.calls.callerStayedAway(session)) return;
    this.calls.expired(session);
    this.news.endedForCaller(session, session.callerKnowsCallee ? 'expired' : 'unavailable');
    this.news.endedForOffered(session, 'expired');
  }
}
