import { isMutual } from './contact-relation.ts';
import {
  CONTACT_ACTIONS,
  contactTransition,
  SIDES,
  type ContactAction,
  type Sides,
} from './contact-transitions.ts';

const flip = ({ mine, theirs }: Sides): Sides => ({ mine: theirs, theirs: mine });

/** Every pair of sides that two users can reach from nothing by any sequence of actions of both. */
function reachable(): Sides[] {
  const seen = new Map<string, Sides>();
  const queue: Sides[] = [{ mine: 'none', theirs: 'none' }];
  for (let next = queue.pop(); next; next = queue.pop()) {
    const key = `${next.mine}/${next.theirs}`;
    if (seen.has(key)) continue;
    seen.set(key, next);
    for (const action of CONTACT_ACTIONS) {
      const mine = contactTransition(action, next);
      const theirs = contactTransition(action, flip(next));
      if (mine) queue.push(mine);
      if (theirs) queue.push(flip(theirs));
    }
  }
  return [...seen.values()];
}

const apply = (from: Sides, ...actions: ContactAction[]): Sides =>
  actions.reduce((sides, action) => contactTransition(action, sides)!, from);

describe('contact transitions', () => {
  it('befriends only when one asked and the other agreed', () => {
    const asked = apply({ mine: 'none', theirs: 'none' }, 'request');
    expect(asked).toEqual({ mine: 'pending-out', theirs: 'pending-in' });
    expect(apply(flip(asked), 'accept')).toEqual({ mine: 'accepted', theirs: 'accepted' });
    expect(contactTransition('accept', asked)).toBeUndefined();
  });

  it('befriends at once when both asked', () => {
    expect(apply({ mine: 'pending-in', theirs: 'pending-out' }, 'request')).toEqual({
      mine: 'accepted',
      theirs: 'accepted',
    });
  });

  it.each(SIDES)('leaves what the other side sees (%s) untouched by a block', (theirs) => {
    const before: Sides = { mine: 'none', theirs };
    expect(contactTransition('block', before)?.theirs).toBe(theirs);
  });

  it('answers a request to somebody who blocked the asker like any other request', () => {
    expect(apply({ mine: 'none', theirs: 'blocked' }, 'request').mine).toBe('pending-out');
  });

  it('never lets a blocked user become mutual by anything the blocked one does', () => {
    for (const sides of reachable().filter(({ theirs }) => theirs === 'blocked')) {
      for (const action of CONTACT_ACTIONS) {
        const after = contactTransition(action, sides);
        if (after) expect(isMutual(after)).toBe(false);
        if (after) expect(after.theirs).toBe('blocked');
      }
    }
  });

  it('reaches no pair in which only one side waits for the other without a cause', () => {
    const pairs = reachable().map(({ mine, theirs }) => `${mine}/${theirs}`);
    expect(pairs).toContain('accepted/accepted');
    expect(pairs).not.toContain('pending-out/none');
    expect(pairs).not.toContain('accepted/none');
    expect(pairs).not.toContain('pending-out/pending-out');
  });

  it("ends a contact on both sides and keeps the other one's block", () => {
    expect(apply({ mine: 'accepted', theirs: 'accepted' }, 'remove')).toEqual({
      mine: 'none',
      theirs: 'none',
    });
    expect(apply({ mine: 'accepted', theirs: 'blocked' }, 'remove')).toEqual({
      mine: 'none',
      theirs: 'blocked',
    });
  });

  it('lets an unblocked friend ask again rather than be a friend again', () => {
    const unblocked = apply({ mine: 'accepted', theirs: 'accepted' }, 'block', 'unblock');
    expect(unblocked).toEqual({ mine: 'pending-in', theirs: 'accepted' });
    expect(apply(unblocked, 'accept')).toEqual({ mine: 'accepted', theirs: 'accepted' });
  });
});
