import type { DeviceAddress } from '../identity/caller.ts';
import type { DeviceId, EventOf, Presence, TenantId, UserId } from '@parley/protocol';

/** What supernodes tell each other, without an answer. Payloads are JSON. */
export interface LinkTells {
  /** An event for devices of one user, whose home the receiver is. */
  'user.event': {
    readonly tenant: TenantId;
    readonly userId: UserId;
    /** Undefined: all linked devices but `except`. */
    readonly deviceId?: DeviceId;
    readonly except?: DeviceId;
    readonly event: string;
    readonly payload: unknown;
    /** Only over a live connection: not numbered and not kept. */
    readonly connectedOnly?: boolean;
    /** How often it was passed on by a supernode that was not the home any more, or not yet. */
    readonly hops?: number;
  };
  /** How one user looks from now on to devices whose home the receiver is: one message however many watch there. */
  'presence.fan-out': {
    readonly tenant: TenantId;
    readonly views: readonly Presence[];
    /** Index into `views`, watching user, watching device. */
    readonly watchers: readonly (readonly [number, UserId, DeviceId])[];
  };
  /** No relay between any devices of the two users is left open. */
  'relays.close-between': { readonly tenant: TenantId; readonly users: readonly [UserId, UserId] };
  /** A device was removed: nothing of it is served any more anywhere. */
  'device.revoked': { readonly device: DeviceAddress };
}

/** What supernodes ask each other. */
export interface LinkRequests {
  /** Whether a device waits at the receiver to be linked. */
  'link.waiting': {
    readonly request: { readonly tenant: TenantId; readonly deviceId: DeviceId };
    readonly response: { readonly isWaiting: boolean };
  };
  /** A device that waits at the receiver was linked: it is told so, if it still waits. */
  'link.approved': {
    readonly request: {
      readonly tenant: TenantId;
      readonly deviceId: DeviceId;
      readonly event: EventOf<'link.approved'>;
    };
    readonly response: { readonly isTold: boolean };
  };
  /** Answers as soon as it is handled: for tests and for measuring the link. */
  ping: { readonly request: Readonly<Record<string, never>>; readonly response: { readonly at: number } };
  /** An operator asks by way of another supernode: give up seat and slots. Answers before others have them. */
  'supernode.drain': {
    readonly request: Readonly<Record<string, never>>;
    readonly response: Readonly<Record<string, never>>;
  };
}

export type LinkTellName = keyof LinkTells;
export type LinkTellOf<Name extends LinkTellName> = LinkTells[Name];
export type LinkRequestName = keyof LinkRequests;
export type LinkRequestOf<Name extends LinkRequestName> = LinkRequests[Name]['request'];
export type LinkResponseOf<Name extends LinkRequestName> = LinkRequests[Name]['response'];
