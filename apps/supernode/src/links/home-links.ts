import { Inject, Injectable } from '@nestjs/common';
import type { TenantId, UserId } from '@parley/protocol';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import type { NodeId } from '../cluster/node-record.ts';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { Metrics } from '../observability/metrics.ts';
import type { LinkTellName, LinkTellOf } from './link-messages.ts';
import { LINKS, type LinkLoss, type Links } from './links.port.ts';

/** How long a message looks for the home of its user: longer than it takes to notice a lost home and to name another. */
const SEEK_MS = 15_000;
const SEEK_AGAIN_MS = 250;
/** Messages that wait for a home. */
const MAX_SEEKING = 10_000;

/** A message for the home of a user, whichever supernode that is. */
export interface HomeTell<Name extends LinkTellName> {
  readonly tenant: TenantId;
  readonly userId: UserId;
  readonly name: Name;
  readonly payload: LinkTellOf<Name>;
  /** What the home does with it, where it is this supernode. */
  readonly here: () => void;
  /** Worth nothing to anybody but the home of this moment. */
  readonly isFleeting?: boolean;
}

/**
 * Brings messages to the home of a user: this supernode, or over a link the one that is. A message whose receiver is lost on the
 * way follows the user to the next home; where the lost one may have handled it, it may be handled twice.
 */
@Injectable()
export class HomeLinks {
  private seeking = 0;

  constructor(
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'self' | 'ownerOf'>,
    @Inject(LINKS) private readonly links: Pick<Links, 'tell'>,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly metrics: Metrics,
  ) {}

  isSelf(node: NodeId): boolean {
    return node === this.ownership.self;
  }

  isHere(tenant: TenantId, userId: UserId): boolean {
    return this.ownership.ownerOf(tenant, userId) === this.ownership.self;
  }

  /** Undefined while the user has no home. */
  homeOf(tenant: TenantId, userId: UserId): NodeId | undefined {
    return this.ownership.ownerOf(tenant, userId);
  }

  tell<Name extends LinkTellName>(message: HomeTell<Name>): void {
    this.bring(message, this.clock.monotonic());
  }

  private bring<Name extends LinkTellName>(message: HomeTell<Name>, since: number): void {
    const { tenant, userId, name, payload } = message;
    const home = this.homeOf(tenant, userId);
    if (home === this.ownership.self) message.here();
    else if (home === undefined) this.seek(message, since);
    else {
      this.links.tell(home, name, payload, {
        onLost: (loss) => {
          if (this.mayFollow(home, message, loss)) this.seek(message, since);
          else this.metrics.drop('home-links', `link-${loss}`);
        },
      });
    }
  }

  /** Whether a message that was lost on its way may still arrive somewhere. */
  private mayFollow(
    lost: NodeId,
    { tenant, userId, isFleeting }: HomeTell<LinkTellName>,
    loss: LinkLoss,
  ): boolean {
    if (isFleeting || loss === 'overloaded') return false;
    return loss !== 'expired' || this.homeOf(tenant, userId) !== lost;
  }

  /** Looks for a home a little later. */
  private seek<Name extends LinkTellName>(message: HomeTell<Name>, since: number): void {
    const isTooMuch = this.seeking >= MAX_SEEKING;
    if (message.isFleeting || isTooMuch || this.clock.monotonic() - since > SEEK_MS) {
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
