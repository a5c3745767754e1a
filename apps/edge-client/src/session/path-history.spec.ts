import { PathHistory } from './path-history.ts';

describe('PathHistory', () => {
  it('begins with where the session was and keeps each change once', () => {
    const history = new PathHistory('none');
    for (const path of ['relayed', 'relayed', 'direct', 'direct', 'relayed'] as const) history.note(path);
    expect(history.changes.map(({ path }) => path)).toEqual(['none', 'relayed', 'direct', 'relayed']);
  });

  it('stays bounded for a session that flaps', () => {
    const history = new PathHistory('none');
    for (let n = 0; n < 1000; n += 1) history.note(n % 2 === 0 ? 'relayed' : 'direct');
    expect(history.changes).toHaveLength(64);
    expect(history.changes.at(-1)?.path).toBe('direct');
  });
});
