import { Inject, Injectable } from '@nestjs/common';
import type { TenantId, UserId } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import type { NodeId } from '../cluster/node-record.ts';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { Metrics } from '../observability/metrics.ts';
import type { LinkTellName, LinkTellOf } from './link-messages.ts';
import { LINKS, type Links } from './links.port.ts';

const SEEK_AGAIN_MS = 250;
/** Messages that wait for a home. */
const MAX_SEEKING = 5000;

/** A message for the home of a user, whichever supernode that is. */
export interface HomeTell<Name extends LinkTellName> {
  readonly tenant: TenantId;
  readonly userId: UserId;
  readonly name: Name;
  readonly payload: LinkTellOf<Name>;
  /** What the home does with it, where it is this supernode. */
  readonly here: () => void;
  /** How long it is tried; longer than it takes to notice a lost home and to name another. */
  readonly worthMs: number;
}

/**
 * Brings messages to the home of a user: this supernode, or over a link the one that is. A message whose receiver is lost on the
 * way follows the user to the next home; where the lost one may have handled it, it may be handled twice.
 */
@Injectable()
export class HomeLinks {
  private seeking = 0;

  constructor(
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'self' | 'ownerOf' | 'tenureOf'>,
    @Inject(LINKS) private readonly links: Pick<Links, 'tell'>,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly metrics: Metrics,
  ) {}

  isSelf(node: NodeId): boolean {
    return node === this.ownership.self;
  }

  /** Whether this supernode is the home and may act as such: a new one waits until the former has stopped. */
  isHere(tenant: TenantId, userId: UserId): boolean {
    return this.ownership.tenureOf(tenant, userId) !== undefined;
  }

  /** Undefined while the user has no home. */
  homeOf(tenant: TenantId, userId: UserId): NodeId | undefined {
    return this.ownership.ownerOf(tenant, userId);
  }

  tell<Name extends LinkTellName>(message: HomeTell<Name>): void {
    this.bring(message, this.clock.monotonic());
  }

  /** Who sent it took this supernode for the home, and this one knows another: a little later they agree. */
  tellLater<Name extends LinkTellName>(message: HomeTell<Name>): void {
    this.seek(message, this.clock.monotonic());
  }

  /** Counts a message that nobody gets. */
  giveUp(reason: 'too-many-hops'): void {
    this.metrics.drop('home-links', reason);
  }

  private bring<Name extends LinkTellName>(message: HomeTell<Name>, since: number): void {
    const { tenant, userId, name, payload } = message;
    const home = this.homeOf(tenant, userId);
    if (this.isHere(tenant, userId)) message.here();
    else if (home === undefined || home === this.ownership.self) this.seek(message, since);
    else {
      this.links.tell(home, name, payload, {
        onLost: (loss) => {
          if (loss === 'overloaded') this.metrics.drop('home-links', 'overloaded');
          else this.seek(message, since);
        },
      });
    }
  }

  /** Looks for a home a little later. */
  private seek<Name extends LinkTellName>(message: HomeTell<Name>, since: number): void {
    const isTooMuch = this.seeking >= MAX_SEEKING;
    if (isTooMuch || this.clock.monotonic() - since > message.worthMs) {
      this.metrics.drop('home-links', isTooMuch ? 'seeking-full' : 'no-home');
      return;
    }
    this.seeking += 1;
    this.scheduler.after(SEEK_AGAIN_MS, () => {
      this.seeking -= 1;
      this.bring(message, since);
    });
  }
}
