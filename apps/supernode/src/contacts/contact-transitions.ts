/**
 * What an action of one user does to both sides of a contact. `mine` is the acting user's row, `theirs` the other one's;
 * `none` stands for no row. A block is visible to the blocker alone: the other side keeps seeing what it saw.
 */
export const SIDES = ['none', 'pending-out', 'pending-in', 'accepted', 'blocked'] as const;
export type Side = (typeof SIDES)[number];

export const CONTACT_ACTIONS = ['request', 'accept', 'remove', 'block', 'unblock'] as const;
export type ContactAction = (typeof CONTACT_ACTIONS)[number];

export interface Sides {
  readonly mine: Side;
  readonly theirs: Side;
}

type Rule = (sides: Sides) => Sides | undefined;

const befriended: Sides = { mine: 'accepted', theirs: 'accepted' };

/** What the requester's side becomes when the other side is as it is. */
const REQUESTED: Record<Side, Sides> = {
  none: { mine: 'pending-out', theirs: 'pending-in' },
  'pending-in': { mine: 'pending-out', theirs: 'pending-in' },
  'pending-out': befriended,
  accepted: befriended,
  blocked: { mine: 'pending-out', theirs: 'blocked' },
};

/** What an unblocked side falls back to: the other side's wish, if any, is still there. */
const UNBLOCKED: Record<Side, Side> = {
  none: 'none',
  'pending-in': 'pending-out',
  'pending-out': 'pending-in',
  accepted: 'pending-in',
  blocked: 'none',
};

const RULES: Record<ContactAction, Record<Side, Rule>> = {
  request: {
    none: ({ theirs }) => REQUESTED[theirs],
    'pending-out': (sides) => sides,
    'pending-in': ({ theirs }) => acceptance(theirs),
    accepted: (sides) => sides,
    blocked: () => undefined,
  },
  accept: {
    none: () => undefined,
    'pending-out': () => undefined,
    'pending-in': ({ theirs }) => acceptance(theirs),
    accepted: (sides) => sides,
    blocked: () => undefined,
  },
  remove: {
    none: (sides) => sides,
    'pending-out': removal,
    'pending-in': removal,
    accepted: removal,
    blocked: (sides) => sides,
  },
  block: {
    none: block,
    'pending-out': block,
    'pending-in': block,
    accepted: block,
    blocked: (sides) => sides,
  },
  unblock: {
    none: (sides) => sides,
    'pending-out': (sides) => sides,
    'pending-in': (sides) => sides,
    accepted: (sides) => sides,
    blocked: ({ theirs }) => ({ mine: UNBLOCKED[theirs], theirs }),
  },
};

/** Undefined when the action makes no sense from this state. */
export function contactTransition(action: ContactAction, sides: Sides): Sides | undefined {
  return RULES[action][sides.mine](sides);
}

function acceptance(theirs: Side): Sides {
  return theirs === 'blocked' ? { mine: 'accepted', theirs } : befriended;
}

function removal({ theirs }: Sides): Sides {
  return { mine: 'none', theirs: theirs === 'blocked' ? 'blocked' : 'none' };
}

function block({ theirs }: Sides): Sides {
  return { mine: 'blocked', theirs };
}
