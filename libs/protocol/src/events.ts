import { z } from 'zod';
import type { Acknowledgement } from './acknowledgement.ts';
import * as account from './messages/account.ts';
import * as calls from './messages/calls.ts';
import * as contacts from './messages/contacts.ts';
import * as directory from './messages/directory.ts';
import { flowOpen } from './messages/flow.ts';
import * as mailbox from './messages/mailbox.ts';
import { presenceSchema, presenceSet, presenceSubscribe, presenceUnsubscribe } from './messages/presence.ts';
import { relayRenew } from './messages/relay.ts';
import * as rendezvous from './messages/rendezvous.ts';
import { goAwaySchema, homesChangedSchema, signOff } from './messages/service.ts';

/**
 * Who may send a request: `anyone` connected, an `authenticated` device, or a `linked` one (authenticated and named by
 * its user's device list).
 */
export type RequestAudience = 'anyone' | 'authenticated' | 'linked';

interface RequestDefinition {
  readonly request: z.ZodType;
  readonly response: z.ZodType;
  readonly audience: RequestAudience;
}

const by = <Request extends z.ZodType, Response extends z.ZodType, Audience extends RequestAudience>(
  audience: Audience,
  message: { request: Request; response: Response },
) => ({ ...message, audience });

/** Requests from client to supernode, version 1. Each is acknowledged with an `Acknowledgement` of its response. */
export const CLIENT_REQUESTS = {
  challenge: by('anyone', account.challenge),
  authenticate: by('anyone', account.authenticate),
  resume: by('anyone', account.resume),
  'register.puzzle': by('anyone', account.registerPuzzle),
  register: by('anyone', account.register),
  'token.renew': by('anyone', account.tokenRenew),
  'link.open': by('anyone', account.linkOpen),
  'account.recover': by('anyone', account.accountRecover),
  'account.recovery-lists': by('anyone', account.accountRecoveryLists),
  'account.create': by('authenticated', account.accountCreate),
  'account.devices': by('authenticated', account.accountDevices),
  'account.update-devices': by('linked', account.accountUpdateDevices),
  'link.approve': by('linked', account.linkApprove),
  'contacts.list': by('linked', contacts.contactsList),
  'contacts.request': by('linked', contacts.contactsRequest),
  'contacts.accept': by('linked', contacts.contactsAccept),
  'contacts.remove': by('linked', contacts.contactsRemove),
  'contacts.block': by('linked', contacts.contactsBlock),
  'contacts.unblock': by('linked', contacts.contactsUnblock),
  'presence.set': by('linked', presenceSet),
  'presence.subscribe': by('linked', presenceSubscribe),
  'presence.unsubscribe': by('linked', presenceUnsubscribe),
  'directory.lookup': by('linked', directory.directoryLookup),
  'directory.search': by('linked', directory.directorySearch),
  'directory.update': by('linked', directory.directoryUpdate),
  'resource.announce': by('linked', directory.resourceAnnounce),
  'resource.withdraw': by('linked', directory.resourceWithdraw),
  'resource.find': by('linked', directory.resourceFind),
  'session.offer': by('linked', rendezvous.sessionOffer),
  'session.answer': by('linked', rendezvous.sessionAnswer),
  'session.candidates': by('linked', rendezvous.sessionCandidates),
  'session.cancel': by('linked', rendezvous.sessionCancel),
  'session.reject': by('linked', rendezvous.sessionReject),
  'session.report': by('linked', rendezvous.sessionReport),
  'session.ringing': by('linked', calls.sessionRinging),
  'call.end': by('linked', calls.callEnd),
  'calls.history': by('linked', calls.callsHistory),
  'message.send': by('linked', mailbox.messageSend),
  'message.send-batch': by('linked', mailbox.messageSendBatch),
  'mailbox.read': by('linked', mailbox.mailboxRead),
  'mailbox.acknowledge': by('linked', mailbox.mailboxAcknowledge),
  'relay.renew': by('linked', relayRenew),
  'flow.open': by('linked', flowOpen),
  'sign-off': by('authenticated', signOff),
} as const satisfies Record<string, RequestDefinition>;

export type ClientRequestName = keyof typeof CLIENT_REQUESTS;
export type RequestOf<Name extends ClientRequestName> = z.infer<(typeof CLIENT_REQUESTS)[Name]['request']>;
export type RequestInputOf<Name extends ClientRequestName> = z.input<
  (typeof CLIENT_REQUESTS)[Name]['request']
>;
export type ResponseOf<Name extends ClientRequestName> = z.infer<(typeof CLIENT_REQUESTS)[Name]['response']>;

/** Events from supernode to client, version 1. */
export const SERVER_EVENTS = {
  'account.devices-changed': account.deviceListChangedSchema,
  'link.approved': account.linkApprovedSchema,
  'contacts.changed': contacts.contactChangedSchema,
  'presence.changed': presenceSchema,
  'session.offered': rendezvous.sessionOfferedSchema,
  'session.answered': rendezvous.sessionAnsweredSchema,
  'session.candidates': rendezvous.sessionCandidatesEventSchema,
  'session.ended': rendezvous.sessionEndedSchema,
  'session.ringing': calls.sessionRingingSchema,
  'call.recorded': calls.callRecordedSchema,
  'mailbox.arrived': mailbox.mailboxArrivedSchema,
  'homes.changed': homesChangedSchema,
  'go-away': goAwaySchema,
} as const satisfies Record<string, z.ZodType>;

export type ServerEventName = keyof typeof SERVER_EVENTS;
export type EventOf<Name extends ServerEventName> = z.infer<(typeof SERVER_EVENTS)[Name]>;

/** Travels with every event: counts from 1 per resumable sign-in; 0 on events that are not replayed after a resume. */
export const eventMetaSchema = z.object({ sequence: z.number().int().nonnegative() });
export type EventMeta = z.infer<typeof eventMetaSchema>;

/** The event maps in the form that socket.io's types take. */
export type ClientToServerEvents = {
  [Name in ClientRequestName]: (
    request: RequestOf<Name>,
    acknowledge: (reply: Acknowledgement<ResponseOf<Name>>) => void,
  ) => void;
};
export type ServerToClientEvents = {
  [Name in ServerEventName]: (event: EventOf<Name>, meta: EventMeta) => void;
};
