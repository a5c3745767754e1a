import { expect, it } from '@jest/globals';
import { userIdSchema } from '@parley/protocol';
import { callerNamed } from '../identity/testing/callers.ts';
import type { TellOptions } from './links.port.ts';
import { tellAllOthers } from './tell-all-others.ts';

const { tenant } = callerNamed('alice');
const users = [userIdSchema.parse('alice'), userIdSchema.parse('bob')] as const;

it('tells once more where the link ended with the seat of the other, and not for ever', () => {
  const told: { node: string; onLost?: TellOptions['onLost'] }[] = [];
  const links = {
    tell: (node: string, _name: string, _payload: unknown, { onLost }: TellOptions = {}) =>
      void told.push({ node, ...(onLost && { onLost }) }),
  };
  const ownership = { self: 'a', aliveNodes: () => ['a', 'b', 'c'] };

  tellAllOthers(ownership, links, 'relays.close-between', { tenant, users });
  expect(told.map(({ node }) => node)).toEqual(['b', 'c']);

  told[0]!.onLost!('closed');
  told[1]!.onLost!('expired');
  expect(told.map(({ node }) => node)).toEqual(['b', 'c', 'b']);
  expect(told[2]!.onLost).toBeUndefined();
});
