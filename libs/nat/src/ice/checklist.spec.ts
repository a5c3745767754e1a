import type { IceCandidate, LocalCandidate } from './candidate.ts';
import { Checklist } from './checklist.ts';

function local(id: string, priority = 1000, foundation = id): LocalCandidate {
  return {
    kind: 'host',
    address: { family: 'ipv4', address: '192.0.2.1', port: 5000 },
    priority,
    foundation,
    base: { id, kind: 'socket', family: 'ipv4' },
  };
}

function remote(port: number, priority = 1000, foundation = 'r'): IceCandidate {
  return { kind: 'host', address: { family: 'ipv4', address: '198.51.100.9', port }, priority, foundation };
}

describe('Checklist', () => {
  it('has one pair per base and remote address, whatever the candidates are called', () => {
    const checklist = new Checklist(10);

    const first = checklist.add(local('a', 1000, 'host'), remote(1), 'controlling');
    const again = checklist.add(local('a', 500, 'reflexive'), remote(1, 7), 'controlling');

    expect(again).toEqual({ pair: first?.pair, isNew: false });
    expect(checklist.size).toBe(1);
  });

  it('keeps the pairs in the order of priority, also after a change of role', () => {
    const checklist = new Checklist(10);
    checklist.add(local('a', 10), remote(1, 50), 'controlling');
    checklist.add(local('b', 50), remote(1, 10), 'controlling');
    expect(checklist.pairs.map(({ base }) => base.id)).toEqual(['b', 'a']);

    for (const pair of checklist.pairs) pair.updatePriority('controlled');
    checklist.sort();

    expect(checklist.pairs.map(({ base }) => base.id)).toEqual(['a', 'b']);
  });

  it('freezes pairs of one foundation behind the first and thaws them when one succeeds', () => {
    const checklist = new Checklist(10);
    for (const port of [1, 2, 3]) checklist.add(local('a'), remote(port), 'controlling');
    expect(checklist.pairs.map(({ state }) => state)).toEqual(['waiting', 'frozen', 'frozen']);

    checklist.unfreezeFoundation('a:r');

    expect(checklist.pairs.map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting']);
  });

  it('takes a frozen pair only while no pair of its foundation is on its way', () => {
    const checklist = new Checklist(10);
    for (const port of [1, 2]) checklist.add(local('a'), remote(port), 'controlling');
    const first = checklist.nextOrdinary();
    first?.transition('in-progress', 'check-sent');

    expect(checklist.nextOrdinary()).toBeUndefined();
    expect(checklist.hasOrdinary()).toBe(false);
    first?.transition('failed', 'timed-out');

    expect(checklist.nextOrdinary()?.remote.address.port).toBe(2);
  });

  it('a full list gives up failed pairs first, then the worst one that never started, never a better one', () => {
    const checklist = new Checklist(2);
    const worst = checklist.add(local('a', 10), remote(1), 'controlling')?.pair;
    const failed = checklist.add(local('b', 90), remote(1), 'controlling')?.pair;
    failed?.transition('failed', 'relay-refused');

    expect(checklist.add(local('c', 50), remote(1), 'controlling')?.pruned).toBe(failed);
    expect(checklist.add(local('d', 60), remote(1), 'controlling')?.pruned).toBe(worst);
    expect(checklist.add(local('e', 5), remote(1), 'controlling')).toBeUndefined();
    expect(checklist.pairs.map(({ base }) => base.id)).toEqual(['d', 'c']);
  });
});
