import type { TransportAddress } from '@parley/nat';

/** What the STUN/TURN servers bound; the composition root reports it when the supernode is ready. */
export interface StunListeners {
  /** The UDP addresses, the main one first; empty where this supernode has no relay role. */
  listening(): readonly TransportAddress[];
}

export const STUN_LISTENERS = Symbol('StunListeners');
