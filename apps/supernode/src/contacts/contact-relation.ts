import type { Sides } from './contact-transitions.ts';

/** Whether two users may see each other's presence and call without being strangers. */
export function isMutual(sides: Sides | undefined): boolean {
  return sides?.mine === 'accepted' && sides.theirs === 'accepted';
}
