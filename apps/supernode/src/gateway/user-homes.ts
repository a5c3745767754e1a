import { Inject, Injectable } from '@nestjs/common';
import { OwnAddresses } from '../cluster/own-addresses.ts';
import { OWNERSHIP, type Ownership, type Tenure } from '../cluster/ownership.port.ts';
import type { UserAddress } from '../identity/connection-context.ts';
import { Refusal } from '../refusal.ts';

/** A roster follows within about this time when a home is lost. */
const NO_HOME_RETRY_MS = 250;
const NO_HOME_WINDOW_MS = 1_000;
/** As many as a client knows of homes. */
const MAX_OTHERS = 3;

/** Whether this supernode serves a user, and where else the user's clients go. */
@Injectable()
export class UserHomes {
  private turn = 0;

  constructor(
    @Inject(OWNERSHIP) private readonly ownership: Ownership,
    private readonly addresses: OwnAddresses,
  ) {}

  /** Undefined where this supernode is not the home, or may not act as such now. */
  tenureOf({ tenant, userId }: UserAddress): Tenure | undefined {
    return this.ownership.tenureOf(tenant, userId);
  }

  /** The roster names this supernode, which may not act yet, or not at the moment. */
  isComing(user: UserAddress): boolean {
    return !this.tenureOf(user) && this.ownership.ownerOf(user.tenant, user.userId) === this.ownership.self;
  }

  /** @throws Refusal NOT_HOME when another supernode is the home, BUSY while none can be */
  require(user: UserAddress): Tenure {
    const tenure = this.tenureOf(user);
    if (!tenure) throw this.refusal(user);
    return tenure;
  }

  /** What a client is told that is wrong here. */
  refusal(user: UserAddress): Refusal {
    const owner = this.ownership.ownerOf(user.tenant, user.userId);
    const alternates = this.alternatesOf(user);
    // A home that may not act waits for its lease or for a new roster, as a user without a home does.
    return owner === undefined || owner === this.ownership.self
      ? new Refusal('BUSY', 'The user has no home at present.', NO_HOME_RETRY_MS, {
          windowMs: NO_HOME_WINDOW_MS,
          alternates,
        })
      : new Refusal('NOT_HOME', undefined, undefined, { alternates });
  }

  /**
   * Other supernodes for a client of whom nobody knows yet who it is: each sends it to its home. They take turns, so that those who
   * are refused together do not all come to one.
   */
  others(): readonly string[] {
    const own = this.addresses.published?.edge;
    const others = this.ownership.activeEdges().filter((url) => url !== own);
    this.turn = (this.turn + 1) % Math.max(1, others.length);
    return [...others.slice(this.turn), ...others.slice(0, this.turn)].slice(0, MAX_OTHERS);
  }

  /** Edge URLs of other supernodes in the order in which the user's clients should try them. */
  alternatesOf({ tenant, userId }: UserAddress): readonly string[] {
    const own = this.addresses.published?.edge;
    return this.ownership.homesOf(tenant, userId).filter((url) => url !== own);
  }
}
