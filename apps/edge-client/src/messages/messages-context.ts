import type { Contact, DeviceId, MessageId, TenantId, UserId } from '@parley/protocol';
import type { DropCounter } from '../client/drop-counter.ts';
import type { EdgeClientError } from '../errors.ts';
import type { DeviceListPin } from '../identity/device-list-chain.ts';
import type { KeyPair } from '../identity/keys.ts';
import type { Party } from '../rendezvous/signed-session.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import type { E2eeProvider } from './e2ee-provider.ts';
import type { SealedCopy } from './message-road.ts';
import type { MessageRefusal } from './message-sealing.ts';

/** Why a message, or something about one, was discarded. */
export type MessageDropReason =
  | MessageRefusal
  | 'duplicate'
  | 'blocked'
  | 'unknown-device'
  | 'list-refused'
  | 'request-box-full'
  | 'receipt-without-news'
  | 'receipt-to-a-stranger'
  | 'early-receipts-full'
  | 'frame-malformed'
  | 'frame-unknown'
  | 'acknowledgement-not-delivered';

/** Verified device lists, as the messages need them. */
export interface DeviceLists {
  /** As fresh as a call of `account.devices` not long ago. */
  verified(userId: UserId): Promise<DeviceListPin>;
  refresh(userId: UserId): Promise<DeviceListPin>;
  /** What was verified last, without asking. */
  known(userId: UserId): DeviceListPin | undefined;
}

/** Timers, which tests move by hand. */
export interface Scheduler {
  /** Returns the way to cancel. */
  after(ms: number, action: () => void): () => void;
}

export const processScheduler: Scheduler = {
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};

/** What all parts of the messages share: the rest of the client, as they see it. */
export interface MessagesContext {
  readonly tenant: TenantId;
  /** @throws EDGE_NOT_REGISTERED */
  readonly self: () => Party;
  readonly deviceKey: KeyPair;
  /** The first one seals. */
  readonly providers: readonly [E2eeProvider, ...E2eeProvider[]];
  readonly lists: DeviceLists;
  readonly request: SendRequest;
  readonly isOnline: () => boolean;
  readonly contactState: (userId: UserId) => Contact['state'] | undefined;
  /** To others we are offline: nothing may tell them otherwise. */
  readonly isInvisible: () => boolean;
  /** Brings a copy to a device over an open session; false when there is none or it took too long. */
  readonly direct: (deviceId: DeviceId, copy: SealedCopy) => Promise<boolean>;
  readonly hasDirect: (deviceId: DeviceId) => boolean;
  /** Milliseconds since the epoch by the supernode's clock. */
  readonly now: () => number;
  readonly scheduler: Scheduler;
  readonly random: () => number;
  readonly newId: () => MessageId;
  readonly drops: DropCounter<MessageDropReason>;
  readonly alert: (event: { readonly userId: UserId; readonly error: EdgeClientError }) => void;
}
