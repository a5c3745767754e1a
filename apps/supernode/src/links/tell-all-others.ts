import type { Ownership } from '../cluster/ownership.port.ts';
import type { LinkTellName, LinkTellOf } from './link-messages.ts';
import type { Links } from './links.port.ts';

/** Rare, and worth more than an event: what ends must not go on where a link was down for a while. */
const DEADLINE_MS = 300_000;

/**
 * Tells every other supernode that is alive: also one that lost its seat, or drains, may still relay for users whose home it was.
 * Only for what ends something and is rare; all else goes to the owner.
 */
export function tellAllOthers<Name extends LinkTellName>(
  ownership: Pick<Ownership, 'self' | 'aliveNodes'>,
  links: Pick<Links, 'tell'>,
  name: Name,
  payload: LinkTellOf<Name>,
): void {
  for (const node of ownership.aliveNodes()) {
    if (node === ownership.self) continue;
    const options = { deadlineMs: DEADLINE_MS };
    links.tell(node, name, payload, {
      ...options,
      onLost: (loss) => {
        // A link ends with the seat of the other, who lives on.
        if (loss === 'closed') links.tell(node, name, payload, options);
      },
    });
  }
}
