/** What Redis answers to a command or script; numbers are whole. */
export type RedisReply = string | number | null | readonly RedisReply[];
