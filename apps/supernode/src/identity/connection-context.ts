import type { EventOf, ServerEventName, TenantId, UserId } from '@parley/protocol';

/** A nonce that a connection was given; it is forgotten when it is used. */
export interface IssuedChallenge {
  readonly nonce: string;
  /** Monotonic milliseconds. */
  readonly expiresAt: number;
}

/** A connection as identity sees it, before and after somebody signed in on it. */
export interface ConnectionContext {
  /** Groups connections for budgets: an IPv4 address or an IPv6 /64. */
  readonly source: string;
  readonly isOpen: boolean;
  challenge: IssuedChallenge | undefined;
  /** Sends an event to whoever is connected here; it is not kept for a resume. */
  send<Name extends ServerEventName>(event: Name, payload: EventOf<Name>): void;
}

/** A user of a tenant. */
export interface UserAddress {
  readonly tenant: TenantId;
  readonly userId: UserId;
}
