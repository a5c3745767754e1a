import type { Standing, StandingCause } from './cluster-io.ts';

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
