/** RFC 8489 section 5: tells STUN from other protocols on one port, and from RFC 3489. */
export const MAGIC_COOKIE = 0x2112a442;
