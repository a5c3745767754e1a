import type { ManualTime } from '../../clock/testing/manual-time.ts';
import { SupernodeError } from '../../errors.ts';
import { MemoryResourceIndex } from '../resource-index.memory.ts';
import type { ResourceHolder, ResourceIndex, ResourceName } from '../resource-index.port.ts';

/** An index that is shared, may be away, and comes back with nothing. */
export class EmptiedIndex implements ResourceIndex {
  isAway = false;
  /** Another supernode is the home of everybody. */
  isElsewhere = false;
  /** How often something was announced. */
  announced = 0;
  private readonly listeners: (() => void)[] = [];
  private stored: MemoryResourceIndex;

  constructor(private readonly time: ManualTime) {
    this.stored = new MemoryResourceIndex(time);
  }

  /** As the connection to Redis tells it. */
  readonly connection = { onEmptied: (listener: () => void) => void this.listeners.push(listener) };

  loseAll(): void {
    this.stored = new MemoryResourceIndex(this.time);
    for (const tell of this.listeners) tell();
  }

  announce(name: ResourceName, holder: ResourceHolder, limit: number): Promise<boolean> {
    this.announced += 1;
    return this.ask(() => this.stored.announce(name, holder, limit));
  }

  withdraw(...args: Parameters<ResourceIndex['withdraw']>): Promise<void> {
    return this.ask(() => this.stored.withdraw(...args));
  }

  withdrawAll(...args: Parameters<ResourceIndex['withdrawAll']>): Promise<void> {
    return this.ask(() => this.stored.withdrawAll(...args));
  }

  holders(...args: Parameters<ResourceIndex['holders']>): ReturnType<ResourceIndex['holders']> {
    return this.ask(() => this.stored.holders(...args));
  }

  offersOf(...args: Parameters<ResourceIndex['offersOf']>): ReturnType<ResourceIndex['offersOf']> {
    return this.ask(() => this.stored.offersOf(...args));
  }

  expire(): Promise<void> {
    return this.stored.expire();
  }

  private ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    if (this.isAway) return Promise.reject(new SupernodeError('SN_REDIS_UNREACHABLE', 'away'));
    if (this.isElsewhere) return Promise.reject(new SupernodeError('SN_NOT_OWNER', 'elsewhere'));
    return question();
  }
}
