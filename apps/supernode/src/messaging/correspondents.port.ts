import type { DeviceId, TenantId, UserId } from '@parley/protocol';
import type { Sides } from '../contacts/contact-transitions.ts';

/** Who writes to whom. */
export interface Correspondence {
  readonly tenant: TenantId;
  readonly sender: UserId;
  readonly recipient: UserId;
}

/** An active account, as far as messages need it. */
export interface Correspondent {
  /** Version of the newest device list; 0 before the first. */
  readonly listVersion: number;
  readonly devices: ReadonlySet<DeviceId>;
}

/** What stands between two users at one moment. `undefined` is no account, or one that is closed. */
export interface CorrespondenceState {
  readonly sender: Correspondent | undefined;
  readonly recipient: Correspondent | undefined;
  /** The sender's side of the contact is `mine`. */
  readonly sides: Sides;
  /** Copies of the sender that the recipient has not acknowledged yet; counted where they are no mutual contacts. */
  readonly unread: { readonly requests: number; readonly others: number };
}

/** Reads what decides over messages, for many pairs of users at once. */
export interface Correspondents {
  /** States in the order of the pairs. */
  find(pairs: readonly Correspondence[]): Promise<readonly CorrespondenceState[]>;
}

export const CORRESPONDENTS = Symbol('Correspondents');
