/** Numbers of RFC 8656 and of this implementation; those that an operator may change are defaults of options. */

/** Section 3.2: default lifetime of an allocation, and the shortest that a server may grant on request. */
export const DEFAULT_LIFETIME_S = 600;
/** Section 7.2 recommends one hour. */
export const MAX_LIFETIME_S = 3600;
/** Section 9. Fixed. */
export const PERMISSION_LIFETIME_S = 300;
/** Section 12. Fixed. */
export const CHANNEL_LIFETIME_S = 600;
/** Section 7.2: how long the port after an even one is kept for its reservation token. */
export const RESERVATION_LIFETIME_S = 30;
/** Section 5: at least once an hour. */
export const NONCE_LIFETIME_S = 600;
/** RFC 6335: the dynamic ports, which section 7.2 recommends for relays. */
export const RELAY_PORT_MIN = 49152;
export const RELAY_PORT_MAX = 65535;

/** A client renews before the server forgets, with room for all retransmissions of one request (39.5 s). */
export const PERMISSION_RENEWAL_S = 240;
export const CHANNEL_RENEWAL_S = 480;

/** How many random ports are tried when one is taken outside of this server. */
export const RELAY_PORT_ATTEMPTS = 16;
