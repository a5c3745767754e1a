import { randomBytes } from 'node:crypto';
import { encodeBase64url, type MessageId, type UserId } from '@parley/protocol';
import { DropCounter } from '../client/drop-counter.ts';
import type { Contacts } from '../contacts/contacts.ts';
import type { EdgeClientError } from '../errors.ts';
import type { DeviceTrust } from '../identity/device-trust.ts';
import type { Identity } from '../identity/identity.ts';
import type { PresenceWatch } from '../presence/presence-watch.ts';
import type { Sessions } from '../rendezvous/sessions.ts';
import type { SupernodeConnection } from '../signalling/supernode-connection.ts';
import { FileMessageStore } from './file-message-store.ts';
import { HpkeProvider } from './hpke-provider.ts';
import { MemoryMessageStore } from './memory-message-store.ts';
import type { MessageStore } from './message-store.ts';
import { processScheduler, type MessageDropReason, type MessagesContext } from './messages-context.ts';
import { Messages } from './messages.ts';
import { SessionRoad } from './session-road.ts';

/** The parts of a client that messages stand on. */
export interface MessagesSurroundings {
  readonly identity: Identity;
  readonly trust: DeviceTrust;
  readonly connection: SupernodeConnection;
  readonly contacts: Contacts;
  readonly presence: PresenceWatch;
  readonly sessions: Sessions;
  readonly serverNow: () => number;
  readonly alert: (event: { readonly userId: UserId; readonly error: EdgeClientError }) => void;
}

/** Messages, and what was discarded of them. */
export interface OpenedMessages {
  readonly messages: Messages;
  readonly drops: DropCounter<MessageDropReason>;
}

/** Where a client keeps its messages if the app does not say. */
export function defaultMessageStore(dataDir: string | undefined): MessageStore {
  return dataDir === undefined ? new MemoryMessageStore() : new FileMessageStore(dataDir);
}

/** @throws EDGE_MESSAGES_CORRUPTED, EDGE_MESSAGES_NEWER, EDGE_MESSAGES_UNUSABLE */
export async function openMessages(
  client: MessagesSurroundings,
  store: MessageStore,
): Promise<OpenedMessages> {
  const drops = new DropCounter<MessageDropReason>();
  const road: SessionRoad = new SessionRoad({
    drops,
    scheduler: processScheduler,
    take: (copy) => messages.take(copy),
    opened: () => messages.roadOpened(),
  });
  const messages = await Messages.open(contextOf(client, road, drops), store, client.contacts);
  const { connection, contacts, presence, sessions, identity } = client;
  connection.onEvent('mailbox.arrived', ({ items }) => messages.arrived(items));
  connection.onChange(({ from, to }) => {
    if (to === 'online') messages.online();
    else if (from === 'online') messages.offline();
  });
  contacts.on('change', ({ userId, contact }) => {
    if (contact?.state === 'accepted') messages.relationsChanged(userId);
  });
  presence.on('change', ({ userId }) => {
    if (userId === identity.account?.userId) messages.relationsChanged();
  });
  sessions.on('opened', ({ session, peer }) => road.add(session, peer));
  return { messages, drops };
}

function contextOf(
  { identity, trust, connection, contacts, presence, serverNow, alert }: MessagesSurroundings,
  road: SessionRoad,
  drops: DropCounter<MessageDropReason>,
): MessagesContext {
  const { tenant, deviceId, deviceKey, agreementKey } = identity;
  return {
    tenant,
    deviceKey,
    drops,
    alert,
    providers: [new HpkeProvider({ deviceId, agreementKey })],
    self: () => ({ userId: identity.requireAccount().userId, deviceId }),
    lists: {
      verified: (userId) => trust.verified(userId, connection.request),
      refresh: (userId) => trust.refresh(userId, connection.request),
      known: (userId) => identity.pinOf(userId),
    },
    request: connection.request,
    isOnline: () => connection.state === 'online',
    contactState: (userId) => contacts.get(userId)?.state,
    isInvisible: () => {
      const userId = identity.account?.userId;
      return userId !== undefined && presence.get(userId)?.state === 'invisible';
    },
    direct: (device, copy) => road.send(device, copy),
    hasDirect: (device) => road.has(device),
    now: serverNow,
    scheduler: processScheduler,
    random: () => randomBytes(4).readUInt32BE() / 2 ** 32,
    newId: () => encodeBase64url(randomBytes(16)) as MessageId,
  };
}
