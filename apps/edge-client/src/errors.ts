import type { WireError, WireErrorCode } from '@parley/protocol';

interface ErrorEntry {
  /** What went wrong, in words for a developer; carries no address, key or payload. */
  readonly message: string;
  /** True when the same call may succeed later without a change. */
  readonly retryable: boolean;
}

/** Every error of the SDK, by its stable code. Codes are never reused or renamed. */
export const EDGE_ERRORS = {
  EDGE_QUIC_UNAVAILABLE: {
    message: 'The QUIC engine has no binary for this platform (see docs/reference/platforms.md).',
    retryable: false,
  },
  EDGE_QUIC_FAILED: { message: 'The QUIC connection failed.', retryable: true },
  EDGE_PEER_KEY_MISMATCH: {
    message: 'The other end does not hold the expected device key.',
    retryable: false,
  },
  EDGE_REFUSED_BY_PEER: {
    message: 'The other end refused our certificate or our protocol.',
    retryable: false,
  },
  EDGE_DEVICE_KEY_INVALID: { message: 'A device key is an Ed25519 key of 32 bytes.', retryable: false },
  EDGE_FLIGHT_INVALID: { message: 'The handshake flight of the other end is malformed.', retryable: false },
  EDGE_SESSION_CLOSED: { message: 'The session is closed.', retryable: false },
  EDGE_SESSION_NOT_READY: { message: 'The session is not established yet.', retryable: true },
  EDGE_SESSION_TIMEOUT: { message: 'Nothing arrived from the other end for too long.', retryable: true },
  EDGE_STREAM_LIMIT: { message: 'Too many streams are open in this session.', retryable: true },
  EDGE_STREAM_RESET: { message: 'The other end abandoned the stream.', retryable: false },
  EDGE_STREAM_STOPPED: { message: 'The other end does not read the stream any more.', retryable: false },
  EDGE_STREAM_ENDED: { message: 'This side of the stream was ended already.', retryable: false },
  EDGE_OPTIONS_INVALID: { message: 'An option or argument of the SDK is not usable.', retryable: false },
  EDGE_ABORTED: { message: 'The call was aborted by the app.', retryable: false },
  EDGE_CLIENT_CLOSED: { message: 'The client is closed.', retryable: false },
  EDGE_NOT_REGISTERED: {
    message: 'This device has no account yet: register, link it, or give a token.',
    retryable: false,
  },
  EDGE_ALREADY_REGISTERED: { message: 'This device has an account already.', retryable: false },
  EDGE_NOT_CONNECTED: { message: 'The client is not online.', retryable: true },
  EDGE_CONNECT_TIMEOUT: { message: 'No supernode could be reached in time.', retryable: true },
  EDGE_CONNECTION_LOST: {
    message: 'The connection to the supernode was lost before it answered.',
    retryable: true,
  },
  EDGE_REQUEST_TIMEOUT: { message: 'The supernode did not answer in time.', retryable: true },
  EDGE_PROTOCOL_VIOLATION: {
    message: 'The supernode sent something that the protocol does not allow.',
    retryable: false,
  },
  EDGE_CLUSTER_MISMATCH: {
    message: 'The supernode belongs to another cluster than the one this identity knows.',
    retryable: false,
  },
  EDGE_ROSTER_KEY_CHANGED: {
    message: 'A list of homes is signed by none of the keys that this identity knows of its cluster.',
    retryable: false,
  },
  EDGE_REPLACED: {
    message: 'The same device signed in elsewhere; this client stays offline.',
    retryable: false,
  },
  EDGE_REVOKED: { message: 'The supernode signed this device off for good.', retryable: false },
  EDGE_IDENTITY_CORRUPTED: {
    message: 'A file of the identity folder is damaged; nothing was overwritten.',
    retryable: false,
  },
  EDGE_IDENTITY_LOCKED: { message: 'Another process uses the identity folder.', retryable: true },
  EDGE_IDENTITY_NEWER: {
    message: 'The identity folder was written by a newer version; nothing was overwritten.',
    retryable: false,
  },
  EDGE_IDENTITY_UNUSABLE: {
    message: 'The identity folder cannot be created, read or written.',
    retryable: false,
  },
  EDGE_IDENTITY_MISMATCH: { message: 'The identity belongs to another user or tenant.', retryable: false },
  EDGE_DEVICE_LIST_INVALID: {
    message: 'A device list is malformed or breaks the chain of signatures.',
    retryable: false,
  },
  EDGE_DEVICE_LIST_ROLLBACK: {
    message: 'The supernode offered an older device list than the one seen before.',
    retryable: false,
  },
  EDGE_GHOST_DEVICE: {
    message: 'A device appeared that no device of its user has signed for.',
    retryable: false,
  },
  EDGE_ROOT_CHANGED: {
    message: 'The account key of the user is not the pinned one; the app has to accept it first.',
    retryable: false,
  },
  EDGE_LINK_CODE_INVALID: { message: 'This is not a link code.', retryable: false },
  EDGE_LINK_REFUSED: {
    message: 'The approval was not made by the device that saw the link code.',
    retryable: false,
  },
  EDGE_LINK_TIMEOUT: { message: 'No device approved the link code in time.', retryable: true },
  EDGE_RECOVERY_CODE_INVALID: { message: 'This is not a recovery code.', retryable: false },
  EDGE_UDP_UNAVAILABLE: { message: 'No UDP socket could be opened.', retryable: true },
  EDGE_OFFER_INVALID: { message: 'The offer is not usable any more.', retryable: false },
  EDGE_ANSWER_INVALID: {
    message: 'The answer is not signed by the device that was called, or answers another offer.',
    retryable: false,
  },
  EDGE_PEER_REJECTED: { message: 'The other user declined.', retryable: false },
  EDGE_PEER_BUSY: { message: 'The other user is busy.', retryable: true },
  EDGE_PEER_NO_ANSWER: { message: 'Nobody answered in time.', retryable: true },
  EDGE_SESSION_CANCELLED: { message: 'The caller took the offer back.', retryable: false },
  EDGE_ANSWERED_ELSEWHERE: { message: 'Another device of the user answered first.', retryable: false },
  EDGE_PATH_FAILED: { message: 'No path to the other device works any more.', retryable: true },
  EDGE_AUTO_ACCEPT_FAILED: {
    message: "The app's rule for accepting sessions failed; the offer was not accepted.",
    retryable: false,
  },
  EDGE_CALL_OVER: { message: 'The call is over.', retryable: false },
  EDGE_VOICE_FAILED: { message: 'The source, the sink or the codec of a call failed.', retryable: false },
  EDGE_FILE_HEADER_INVALID: { message: 'The stream does not begin with a file header.', retryable: false },
  EDGE_FILE_VERSION_UNKNOWN: {
    message: 'The file header is of a version that is not spoken here.',
    retryable: false,
  },
  EDGE_FILE_NAME_UNSAFE: { message: 'The file name is not usable on this machine.', retryable: false },
  EDGE_FILE_TOO_LARGE: { message: 'The file is larger than the receiver allows.', retryable: false },
  EDGE_FILE_TRUNCATED: { message: 'The stream ended before the whole file arrived.', retryable: true },
  EDGE_FILE_DIGEST_MISMATCH: {
    message: 'The bytes that arrived are not those that were sent.',
    retryable: true,
  },
  EDGE_FILE_UNREADABLE: { message: 'The file cannot be read or written.', retryable: false },
  EDGE_FILE_REFUSED: { message: 'The receiver refused the file.', retryable: false },
  EDGE_NETCHECK_FAILED: { message: 'The supernode named no server to measure against.', retryable: true },
  EDGE_MESSAGE_TOO_LARGE: { message: 'The message is larger than one sealed copy may be.', retryable: false },
  EDGE_MESSAGE_EXPIRED: {
    message: 'The message could not be delivered within the time that it may wait for it.',
    retryable: false,
  },
  EDGE_MESSAGE_FORGED: {
    message: 'A message was not made by the device, or not for the conversation, that it was delivered for.',
    retryable: false,
  },
  EDGE_MAILBOX_FULL: {
    message: 'The mailbox of a device is full; the message waits until there is room.',
    retryable: true,
  },
  EDGE_MESSAGES_CORRUPTED: {
    message: 'The message store is damaged; nothing was overwritten.',
    retryable: false,
  },
  EDGE_MESSAGES_NEWER: {
    message: 'The message store was written by a newer version; nothing was overwritten.',
    retryable: false,
  },
  EDGE_MESSAGES_UNUSABLE: { message: 'The message store cannot be read or written.', retryable: true },
} as const satisfies Record<string, ErrorEntry>;

/** A code of the SDK's own. */
export type EdgeErrorCode = keyof typeof EDGE_ERRORS;

/** Every code that an {@link EdgeClientError} can carry: the SDK's own, and those of the supernode as they are. */
export type ErrorCode = EdgeErrorCode | WireErrorCode;

/** The one error class of the SDK: match on `code`, not on the class. */
export class EdgeClientError extends Error {
  override readonly name = 'EdgeClientError';
  readonly code: ErrorCode;
  /** True when the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** How long the supernode asks to wait before the next try. */
  readonly retryAfterMs: number | undefined;
  /** A random part of this is to be waited beyond it. */
  readonly windowMs: number | undefined;
  /** Supernodes that the supernode names instead of itself, in this order. */
  readonly alternates: readonly string[] | undefined;

  constructor(
    code: ErrorCode,
    options: {
      message: string;
      retryable: boolean;
      retryAfterMs?: number | undefined;
      windowMs?: number | undefined;
      alternates?: readonly string[] | undefined;
      cause?: unknown;
    },
  ) {
    super(options.message, 'cause' in options ? { cause: options.cause } : {});
    this.code = code;
    this.retryable = options.retryable;
    this.retryAfterMs = options.retryAfterMs;
    this.windowMs = options.windowMs;
    this.alternates = options.alternates;
  }
}

/** Makes the error of `code`. */
export function edgeError(
  code: EdgeErrorCode,
  options: { message?: string; cause?: unknown } = {},
): EdgeClientError {
  return new EdgeClientError(code, { ...EDGE_ERRORS[code], ...options });
}

/** The error half of an acknowledgement, as the app sees it. */
export function errorFromWire(error: WireError): EdgeClientError {
  return new EdgeClientError(error.code, error);
}

/** Any thrown thing as an {@link EdgeClientError}; what is none already becomes the cause of `code`. */
export function asEdgeError(thrown: unknown, code: EdgeErrorCode): EdgeClientError {
  return thrown instanceof EdgeClientError ? thrown : edgeError(code, { cause: thrown });
}
