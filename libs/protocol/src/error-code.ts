/** What a client may do about an error: retry the same request later, or not. Codes are stable: never reused or renumbered. */
export interface ErrorCodeEntry {
  /** One sentence for the reference page. */
  readonly doc: string;
  readonly retryable: boolean;
}

const entry = (retryable: boolean, doc: string): ErrorCodeEntry => ({ doc, retryable });

/** Codes that a supernode answers with. `docs/reference/errors.md` lists exactly these. */
export const WIRE_ERRORS = {
  BAD_REQUEST: entry(false, 'The payload does not fit the schema of the event.'),
  UNKNOWN_EVENT: entry(false, 'The event is not part of the protocol version in use.'),
  PAYLOAD_TOO_LARGE: entry(false, 'The message is larger than the limit.'),
  UNSUPPORTED_VERSION: entry(false, 'Client and supernode share no protocol version.'),
  NOT_AUTHENTICATED: entry(
    false,
    'The event needs a signed-in device; send `challenge` and `authenticate` first.',
  ),
  CHALLENGE_EXPIRED: entry(true, 'The nonce is unknown, used or too old; ask for a new challenge.'),
  BAD_PROOF: entry(false, 'The signature by the device key, or what it covers, is wrong.'),
  TOKEN_INVALID: entry(
    false,
    'The access token is malformed, of another tenant or audience, or its signature is wrong.',
  ),
  TOKEN_EXPIRED: entry(false, 'The access token has expired; obtain a new one.'),
  TOKEN_BOUND: entry(false, 'The access token is bound to another device key.'),
  TENANT_UNKNOWN: entry(false, 'No such tenant.'),
  REGISTRATION_CLOSED: entry(false, 'The tenant does not allow open registration.'),
  PUZZLE_EXPIRED: entry(true, 'The puzzle is unknown, used or too old; ask for a new one.'),
  PUZZLE_UNSOLVED: entry(false, 'The solution does not have the demanded number of leading zero bits.'),
  HANDLE_TAKEN: entry(false, 'The handle belongs to another account of the tenant.'),
  ACCOUNT_EXISTS: entry(
    false,
    'The account already has a device list; link the device or recover the account.',
  ),
  ACCOUNT_REQUIRED: entry(false, 'The user has no device list yet; send `account.create` first.'),
  DEVICE_NOT_LINKED: entry(false, 'The device is not in the signed device list of its user.'),
  DEVICE_REMOVED: entry(false, 'The device was removed from the device list of its user.'),
  DEVICE_LIST_INVALID: entry(false, 'The device list is malformed, or not signed by a key that may sign it.'),
  DEVICE_LIST_CONFLICT: entry(
    true,
    'Another version of the device list was committed first; fetch it and sign again.',
  ),
  DEVICE_LIST_STALE: entry(
    true,
    'The message was sealed for other devices than the users have now; fetch the device lists and seal it again.',
  ),
  LINK_UNKNOWN: entry(false, 'No device waits to be linked under this id, or it waited too long.'),
  RECOVERY_REFUSED: entry(false, 'The recovery key does not belong to this account.'),
  NOT_FOUND: entry(false, 'Nothing visible to the caller has this name.'),
  PEER_UNAVAILABLE: entry(
    true,
    'The peer cannot be reached by this caller: absent, blocked, invisible or offline.',
  ),
  SESSION_UNKNOWN: entry(false, "No open offer has this session id, or it is not the caller's."),
  SESSION_TAKEN: entry(false, 'Another device of the user answered first.'),
  OFFER_EXPIRED: entry(false, 'The offer or answer is older than its lifetime.'),
  OFFER_REPLAYED: entry(false, 'The offer or answer was seen before.'),
  CONTACT_LIMIT: entry(false, 'The contact list, or the list of open requests, is full.'),
  LIMIT_EXCEEDED: entry(false, 'A count limit of the protocol is reached; see the limits page.'),
  FORBIDDEN: entry(false, 'The signed-in device may not do this.'),
  CONFLICT: entry(true, 'The state changed underneath the request; read it and try again.'),
  RATE_LIMITED: entry(true, 'Too many requests; wait for `retryAfterMs`.'),
  RESUME_REFUSED: entry(false, 'The resume token is unknown, expired or not of this device; sign in anew.'),
  RELAY_UNAVAILABLE: entry(true, 'This supernode does not relay at the moment.'),
  STORE_UNAVAILABLE: entry(true, 'The database is out of reach; nothing was changed.'),
  NOT_HOME: entry(true, "The user's home is another supernode; connect to one of `alternates`."),
  BUSY: entry(
    true,
    'Too many sign-ins at present; wait for `retryAfterMs` and a random part of `windowMs`, or try one of `alternates`.',
  ),
  SHUTTING_DOWN: entry(true, 'The supernode is draining; use an alternate.'),
  INTERNAL: entry(true, 'A fault of the supernode; the log has it under the correlation id in the message.'),
} as const satisfies Record<string, ErrorCodeEntry>;

export type WireErrorCode = keyof typeof WIRE_ERRORS;

export const WIRE_ERROR_CODES = Object.keys(WIRE_ERRORS) as [WireErrorCode, ...WireErrorCode[]];
