import type { TransportAddress } from '@parley/nat';
import type { BoundUrls } from '../listeners.ts';
import type { TlsSettings } from './tls-front.ts';

/** What the STUN/TURN servers bound; the composition root reports it when the supernode is ready. */
export interface StunListeners {
  /** The UDP addresses, the main one first; empty where this supernode has no relay role. */
  listening(): readonly TransportAddress[];
  /** The same as clients and other supernodes are told of them. */
  addresses(): readonly TransportAddress[];
  /**
   * Opens the TLS port beside them, at the same addresses. Only with the relay role.
   *
   * @throws SupernodeError SN_TLS_INVALID, SN_LISTEN_FAILED, SN_RELAY_UNAVAILABLE
   */
  listenTls(settings: Omit<TlsSettings, 'hosts' | 'visible'>): Promise<BoundUrls>;
}

export const STUN_LISTENERS = Symbol('StunListeners');
