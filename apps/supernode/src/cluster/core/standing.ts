import type { Instant } from '@parley/nat';
import { SupernodeError } from '../../errors.ts';
import type { Standing, StandingCause } from './cluster-io.ts';
import type { Rights } from './rights.ts';

export const STANDINGS = ['suspended', 'acting', 'connected-only'] as const satisfies readonly Standing[];

/**
 * What a supernode may do for the users of its slots. `acting`: everything. `connected-only`: a store is away, so it may serve those
 * who are connected among themselves, and claims nothing. `suspended`: it can't know whether it still is their home.
 */
export const STANDING_TRANSITIONS = {
  suspended: { confirmed: 'acting', 'store-away': 'connected-only' },
  acting: {
    'lease-lapsed': 'suspended',
    'roster-unconfirmed': 'suspended',
    superseded: 'suspended',
    'store-away': 'connected-only',
  },
  'connected-only': { confirmed: 'acting', 'store-back': 'suspended', superseded: 'suspended' },
} as const satisfies Record<Standing, Partial<Record<StandingCause, Standing>>>;

/** What `cause` does to a supernode that is `from`; undefined when nothing. */
export function standingTransition(from: Standing, cause: StandingCause): Standing | undefined {
  const exits: Partial<Record<StandingCause, Standing>> = STANDING_TRANSITIONS[from];
  return exits[cause];
}

export interface StandingChange {
  readonly from: Standing;
  readonly to: Standing;
  readonly cause: StandingCause;
}

/** Notices when the rights of a supernode came to mean another standing. */
export class StandingWatch {
  current: Standing = 'suspended';

  update(rights: Rights, now: Instant): StandingChange | undefined {
    const from = this.current;
    const to = rights.standing(now);
    if (from === to) return undefined;
    const cause = causeOf(from, to, rights);
    if (standingTransition(from, cause) !== to) {
      throw new SupernodeError('SN_INVARIANT', `The standing goes from ${from} to ${to} by ${cause}.`);
    }
    this.current = to;
    return { from, to, cause };
  }
}

function causeOf(from: Standing, to: Standing, rights: Rights): StandingCause {
  if (to === 'acting') return 'confirmed';
  if (rights.isSuperseded) return 'superseded';
  if (to === 'connected-only') return 'store-away';
  return from === 'connected-only' ? 'store-back' : rights.endsWith;
}
