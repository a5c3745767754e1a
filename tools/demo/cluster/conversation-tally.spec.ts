import { busiestRelay, conversationResults, placesOf, tally, UNKNOWN_PLACE } from './conversation-tally.ts';
import type { Conversation } from './crowd-messages.ts';
import { RelayPlaces } from './relay-places.ts';

const AT = { one: '127.0.0.1:40001', two: '127.0.0.1:40002', three: '127.0.0.1:40003' } as const;
const PLACES = new RelayPlaces([
  { nodeId: 'node-1', server: AT.one },
  { nodeId: 'node-2', server: AT.two },
  { nodeId: 'node-3', server: AT.three },
]);

function end(name: string, relays: readonly string[], changes: Partial<Conversation> = {}): Conversation {
  return {
    ...{ name, peer: '', kind: 'session', role: 'caller', path: relays.length > 0 ? 'relayed' : 'direct' },
    ...{ relays, broken: null, longestGapMs: 100, ...changes },
  };
}

const pair = (caller: string, callee: string) =>
  ({ kind: 'session', caller: { name: caller }, callee: { name: callee } }) as const;

describe('the tally of conversations', () => {
  const pairs = [pair('anna', 'ben'), pair('carl', 'dora'), pair('emil', 'fred')];
  const before = [
    end('anna', [AT.one]),
    end('ben', [AT.one, AT.two]),
    end('carl', [AT.three]),
    end('dora', [AT.one]),
    end('emil', []),
    end('fred', []),
  ];

  it('takes a conversation for one through the killed supernode by what either of its ends sent through', () => {
    const results = conversationResults('node-2', pairs, before, before, PLACES);
    const lost = results.filter(({ ranThroughLost }) => ranThroughLost).map(({ name }) => name);
    expect(lost).toEqual(['anna', 'ben']);
    expect(results.find(({ name }) => name === 'ben')).toMatchObject({
      peer: 'anna',
      before: { path: 'relayed', through: ['node-1', 'node-2'] },
    });
  });

  it('judges by what was before, not by where it went afterwards', () => {
    const after = before.map((one) => end(one.name, [AT.two]));
    const results = conversationResults('node-3', pairs, before, after, PLACES);
    expect(results.filter(({ ranThroughLost }) => ranThroughLost).map(({ name }) => name)).toEqual([
      'carl',
      'dora',
    ]);
    expect(results[0]?.after).toEqual({ path: 'relayed', through: ['node-2'] });
  });

  it('counts both groups, each with its longest silence and what broke', () => {
    const after = before.map((one) =>
      end(one.name, one.relays, {
        longestGapMs: one.name === 'ben' ? 900 : one.name === 'emil' ? 300 : 100,
        broken: one.name === 'dora' ? 'error' : null,
      }),
    );
    const results = conversationResults('node-2', pairs, before, after, PLACES);
    expect(tally(results, true)).toEqual({ count: 2, broken: 0, longestGapMs: 900 });
    expect(tally(results, false)).toEqual({ count: 4, broken: 1, longestGapMs: 300 });
  });

  it('counts a conversation that is gone as broken', () => {
    const results = conversationResults('node-2', pairs, before, before.slice(0, 5), PLACES);
    expect(tally(results, false)).toMatchObject({ broken: 1, longestGapMs: Infinity });
  });

  it('says where a relay is that nobody knows', () => {
    expect(placesOf(end('anna', ['192.0.2.1:3478']), PLACES)).toEqual([UNKNOWN_PLACE]);
    expect(placesOf(end('anna', [], { path: 'relayed' }), PLACES)).toEqual([UNKNOWN_PLACE]);
    expect(placesOf(end('anna', [AT.one], { path: 'direct' }), PLACES)).toEqual([]);
  });

  it('finds the supernode that most ends send through', () => {
    expect(busiestRelay(before, PLACES)).toBe('node-1');
    expect(busiestRelay(before.slice(4), PLACES)).toBeUndefined();
  });
});
