import type { OwnershipChange } from '../cluster/ownership.port.ts';
import { closeWithSeats } from './close-with-seats.ts';

it('closes the links to who lost its seat, once, and to nobody else', () => {
  let seats = ['a', 'b', 'c'];
  const listeners = new Set<(change: OwnershipChange) => void>();
  const closed: string[] = [];
  const end = closeWithSeats(
    { close: (node) => closed.push(node) },
    {
      activeNodes: () => seats,
      onChange: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  );
  const move = (to: string[]): void => {
    seats = to;
    for (const listener of listeners) listener({ gained: new Set(), lost: new Set() });
  };
  move(['a', 'c', 'd']);
  move(['a', 'c', 'd']);
  move(['a', 'd']);
  end();
  move([]);
  expect(closed).toEqual(['b', 'c']);
});
