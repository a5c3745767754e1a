import type { ClientRequestName, ServerEventName } from '@parley/protocol';

/** What each request is for, in the order of a life: sign-in, account, contacts, presence, directory, sessions, calls, messages. */
export const REQUEST_DESCRIPTIONS: Readonly<Record<ClientRequestName, string>> = {
  challenge:
    'First on every connection. Names the versions that the client speaks; gives the nonce that proofs sign, once.',
  authenticate:
    'Signs a device in: an access token, and a proof by the device key over nonce, cluster, server, tenant and token.',
  resume:
    'Takes a broken connection up again. `recovered: false`: events were lost, and the client reads all state anew.',
  'register.puzzle':
    'A proof-of-work puzzle for open registration: SHA-256 over challenge and solution begins with that many zero bits.',
  register: 'Open registration: handle, solved puzzle, and the first device list signed by the root key.',
  'token.renew': 'A new access token for a listed device of an account of open registration.',
  'link.open':
    'A new device waits to be taken into an account; it shows its user a code that the supernode never sees.',
  'account.recover': 'A new device takes an account over: its list is signed by the recovery key.',
  'account.recovery-lists': 'The chain of lists, for whoever proves to hold the recovery key.',
  'account.create': "The first device list of a user whose token came from the app's own backend.",
  'account.devices': "The chain of a user's device lists after a version that the client has verified.",
  'account.update-devices':
    'The next version of the own device list; one of two at once is refused with DEVICE_LIST_CONFLICT.',
  'link.approve':
    'Takes the waiting device into the account; the confirmation proves to it which account that is.',
  'contacts.list': 'All contacts, requests and blocks of the user.',
  'contacts.request':
    'Asks a user to become a contact. Answers alike whether or not that user has blocked the caller.',
  'contacts.accept': 'Agrees to a request.',
  'contacts.remove': 'Withdraws, declines or ends, on both sides.',
  'contacts.block': 'Blocks a user, who is not told.',
  'contacts.unblock': 'Ends a block.',
  'presence.set': 'Sets what this device shows; `invisible` hides all devices of the user.',
  'presence.subscribe': 'Watches users; whoever may not be seen is `offline`.',
  'presence.unsubscribe': 'Stops watching.',
  'directory.lookup':
    'Finds one user by handle or id. Absent and not visible are one refusal after one delay.',
  'directory.search':
    'Finds users who opted in, by a prefix of handle or display name. A page may be short, or empty, and not the last: `nextCursor` says so.',
  'directory.update': 'Changes the own entry.',
  'resource.announce': 'Offers a resource for a time.',
  'resource.withdraw': 'Offers it no more.',
  'resource.find': 'Who offers it, as far as the caller may see them online.',
  'session.offer': 'One signed offer for each device of the callee. With `call` it rings.',
  'session.answer': "The callee's signed answer. The first `accepted` one wins.",
  'session.candidates': 'Signed candidates after offer and answer, and new credentials for an ICE restart.',
  'session.cancel': 'The caller takes its offers back, or a party ends the brokered session.',
  'session.reject':
    'A device of the callee declines for all of them. One that is busy takes only itself out of a call, as long as another connected device can answer.',
  'session.report': 'What became of it, for operators: no addresses.',
  'session.ringing': 'A device of the callee says that the call rings.',
  'call.end': 'A party ends an answered call, with its cause.',
  'calls.history': 'Calls of the user after a cursor, equal on all devices.',
  'message.send':
    'Sealed copies of one message for devices of the peer and own devices. Acknowledged when committed.',
  'message.send-batch':
    'Several messages in one request, each decided over by itself: the outcomes are what `message.send` would have answered, in order. Acknowledged when all that is stored is committed. A message that does not fit its schema gets BAD_REQUEST as its outcome; each message counts as a request.',
  'mailbox.read':
    "What lies in this device's mailbox after a cursor, and whether something was dropped before it.",
  'mailbox.acknowledge': 'The app has these copies: they leave the mailbox.',
  'relay.renew': 'New time-limited TURN credentials.',
  'flow.open': 'The keys of the registered flow, for a device that became linked after its sign-in.',
  'sign-off': 'Ends the sign-in; presence ends at once.',
};

export const EVENT_DESCRIPTIONS: Readonly<Record<ServerEventName, string>> = {
  'account.devices-changed': "A user's device list has a new version: fetch and verify it.",
  'link.approved': 'The waiting device was taken in: account, token, chain of lists, confirmation.',
  'contacts.changed': 'A contact changed; `null`: it is no longer in the list.',
  'presence.changed': 'A watched user shows something else. Older versions are to be ignored.',
  'session.offered': 'Somebody offers a session to this device.',
  'session.answered': 'A device of the callee answered.',
  'session.candidates': 'The other side has more candidates.',
  'session.ended': 'The offer or session ended, and why.',
  'session.ringing': 'The call rings on a device of the callee.',
  'call.recorded': 'A call of this user was written down, or changed.',
  'mailbox.arrived': "New copies in this device's mailbox, as they are committed; sequence 0, not replayed.",
  'homes.changed': "The user's homes changed: a client takes them into its host cache.",
  'go-away':
    'The supernode asks the client to leave: drained, overloaded, redirected, revoked, or signed in elsewhere.',
};
