import type { Ownership } from '../cluster/ownership.port.ts';
import type { Links } from './links.port.ts';

/**
 * What waits for a supernode that lost its seat goes to the next homes at once, and not when its deadline passes. A seat that
 * goes leaves slots to others, who hear of that; who gains none waits for the deadline. The returned function ends it.
 */
export function closeWithSeats(
  links: Pick<Links, 'close'>,
  ownership: Pick<Ownership, 'activeNodes' | 'onChange'>,
): () => void {
  let seated = new Set(ownership.activeNodes());
  return ownership.onChange(() => {
    const now = new Set(ownership.activeNodes());
    for (const node of seated) if (!now.has(node)) links.close(node);
    seated = now;
  });
}
