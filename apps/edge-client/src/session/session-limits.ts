/** UDP payload that every path must carry; DESIGN 6.8. */
export const MAX_UDP_PAYLOAD_BYTES = 1_200;

/** Packets of one handshake flight inside signalling: one is usual, two with a long certificate. */
export const MAX_FLIGHT_PACKETS = 4;

/** Streams of each kind that the other end may have open at the same time. */
export const MAX_PEER_STREAMS = 100;

/**
 * Bytes that one session may hold unread. Larger than a typical attachment because quiche starts a slow growth of the
 * window (from 32 KiB) only when this first credit is used up.
 */
export const RECEIVE_CREDIT_BYTES = 24 * 1024 * 1024;
export const MAX_STREAM_WINDOW_BYTES = 16 * 1024 * 1024;

/** Datagrams that wait in QUIC for the congestion window. */
export const DATAGRAM_SEND_QUEUE = 256;

/**
 * Packets after which the datagrams in them are taken out of QUIC, and room for all that so many packets can carry (a datagram
 * costs at least three bytes), because QUIC would drop the rest without telling.
 */
export const MAX_PACKETS_UNREAD = 32;
export const DATAGRAM_RECEIVE_QUEUE = MAX_PACKETS_UNREAD * 400;

/** Datagrams that wait for the app; the oldest are dropped first, since late media is worthless. */
export const DATAGRAM_APP_QUEUE = 1_024;

/** Work of one turn of the event loop, so that a fast session leaves room for others. */
export const MAX_PACKETS_PER_TURN = 64;

export const DEFAULT_IDLE_TIMEOUT_MS = 30_000;
export const DEFAULT_KEEP_ALIVE_MS = 10_000;

/** Error codes of CONNECTION_CLOSE that the SDK itself uses; applications take 256 and up. */
export const CLOSE_CODE = { normal: 0, internal: 2 } as const;
