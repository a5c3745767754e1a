import { PathHistory } from './path-history.ts';

describe('PathHistory', () => {
  it('begins with where the session was and keeps each change once', () => {
    const history = new PathHistory('none');
    for (const path of ['relayed', 'relayed', 'direct', 'direct', 'relayed'] as const) history.note(path);
    expect(history.changes.map(({ path }) => path)).toEqual(['none', 'relayed', 'direct', 'relayed']);
  });

  it('keeps changes from one relay to another', () => {
    const history = new PathHistory('none');
    history.note('relayed', { own: '192.0.2.1:3478' });
    history.note('relayed', { own: '192.0.2.1:3478' });
    history.note('relayed', { own: '192.0.2.1:3478', peer: '198.51.100.1:50000' });
    history.note('direct');
    expect(history.changes.map(({ path, relays }) => ({ path, relays }))).toEqual([
      { path: 'none', relays: undefined },
      { path: 'relayed', relays: { own: '192.0.2.1:3478' } },
      { path: 'relayed', relays: { own: '192.0.2.1:3478', peer: '198.51.100.1:50000' } },
      { path: 'direct', relays: undefined },
    ]);
  });

  it('stays bounded for a session that flaps', () => {
    const history = new PathHistory('none');
    for (let n = 0; n < 1000; n += 1) history.note(n % 2 === 0 ? 'relayed' : 'direct');
    expect(history.changes).toHaveLength(64);
    expect(history.changes.at(-1)?.path).toBe('direct');
  });
});
