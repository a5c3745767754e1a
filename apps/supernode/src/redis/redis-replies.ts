import { SupernodeError } from '../errors.ts';
import type { RedisReply } from './redis-commands.ts';

/** Replies of scripts, read as what the script gives; anything else is a bug of ours. */
export function numberOf(reply: RedisReply | undefined): number {
  if (typeof reply === 'number') return reply;
  if (typeof reply === 'string' && reply !== '' && Number.isFinite(Number(reply))) return Number(reply);
  throw unexpected('a number');
}

export function textOf(reply: RedisReply | undefined): string {
  if (typeof reply === 'string') return reply;
  throw unexpected('text');
}

export function listOf(reply: RedisReply | undefined): readonly RedisReply[] {
  if (Array.isArray(reply)) return reply as readonly RedisReply[];
  throw unexpected('a list');
}

export function textsOf(reply: RedisReply | undefined): readonly string[] {
  return listOf(reply).map(textOf);
}

function unexpected(wanted: string): SupernodeError {
  return new SupernodeError('SN_INVARIANT', `Redis was to answer ${wanted} and did not.`);
}
