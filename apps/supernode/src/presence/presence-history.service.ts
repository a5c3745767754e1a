import {
  Inject,
  Injectable,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { BackgroundWrites } from '../background-writes.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import {
  PRESENCE_PROFILES,
  type PresenceProfiles,
  type PresenceTransitionEntry,
} from './presence-profile.port.ts';

const PRUNE_INTERVAL_MS = 3600_000;

/**
 * What presence leaves behind: last seen, and every change of state for as long as the tenant keeps it. Presence goes on
 * without the database: what can't be written is logged, and watchers are told all the same.
 */
@Injectable()
export class PresenceHistory implements OnModuleInit, OnModuleDestroy, OnApplicationShutdown {
  private readonly transitions: BackgroundWrites<PresenceTransitionEntry>;
  private cancelPruning: (() => void) | undefined;

  constructor(
    @Inject(PRESENCE_PROFILES) private readonly profiles: PresenceProfiles,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
  ) {
    this.transitions = new BackgroundWrites(
      'recording presence history',
      (transitions) => profiles.record(transitions),
      background,
      scheduler,
    );
  }

  onModuleInit(): void {
    this.cancelPruning = this.scheduler.after(PRUNE_INTERVAL_MS, () => {
      void this.background.attempt('pruning presence history', () => this.profiles.prune(this.clock.now()));
      this.onModuleInit();
    });
  }

  onModuleDestroy(): void {
    this.cancelPruning?.();
  }

  /** Devices still leave while the gateway drains. */
  async onApplicationShutdown(): Promise<void> {
    await this.transitions.close();
  }

  record(transition: Omit<PresenceTransitionEntry, 'at'>): void {
    this.transitions.add({ ...transition, at: this.clock.now() });
  }

  /** Others saw the user leave just now. */
  async left({ tenant, userId }: Pick<PresenceTransitionEntry, 'tenant' | 'userId'>): Promise<void> {
    const at = this.clock.now();
    await this.background.attempt('saving last seen', () => this.profiles.saveLastSeen(tenant, userId, at));
  }
}
