import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '@parley/protocol';
import { slotOf } from '../cluster/slot.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import type { RedisCommands } from '../redis/redis-commands.ts';
import { RedisPresenceStore } from '../presence/presence-store.redis.ts';
import { presenceOf } from '../presence/testing/presence-store.contract.ts';
import { describeRedis } from '../redis/testing/describe-redis.ts';
import { RedisResumeStore } from './resume-store.redis.ts';
import { describeResumeStore } from './testing/resume-store.contract.ts';

const { tenant, userId, deviceId } = callerNamed('alice');
const device = { tenant, userId, deviceId };
const tenure = { slot: slotOf(tenant, userId), epoch: 3 };
const event = (sequence: number) => ({ sequence, name: 'account.devices-changed', payload: {} }) as const;

describeRedis('RedisResumeStore', (lab) => {
  describeResumeStore('redis', () => new RedisResumeStore(lab.connection, lab.freshKeys()));

  /** The store, and which scripts and commands it sent. */
  function counted() {
    const sent: string[] = [];
    const redis: RedisCommands = {
      run: (script, ...rest) => {
        sent.push(script.name);
        return lab.connection.run(script, ...rest);
      },
      command: (key, command) => {
        sent.push(command[0]);
        return lab.connection.command(key, command);
      },
    };
    const keys = lab.freshKeys();
    return { store: new RedisResumeStore(redis, keys), sent, keys };
  }

  it('sends the events of one turn together, and before what comes after them', async () => {
    const { store, sent } = counted();
    await store.open(device, { tokenHash: 'hash', isLinked: true }, tenure);
    sent.length = 0;

    const appended = [1, 2, 3].map((sequence) => store.append(device, event(sequence), tenure));
    const taken = store.takeOver(device, { read: 3, sequence: 3 }, { ...tenure, epoch: 4 });

    expect(await Promise.all(appended)).toEqual([true, true, true]);
    expect(await taken).toBe('taken');
    expect(sent).toEqual(['resume-append', 'resume-take-over']);
    expect(await store.find('hash')).toMatchObject({ sequence: 3, completeSince: 0, epoch: 4 });
  });

  it('keeps events apart that were sent under different tenures', async () => {
    const { store } = counted();
    await store.open(device, { tokenHash: 'hash', isLinked: true }, tenure);
    const later = { ...tenure, epoch: 4 };
    const appended = [
      store.append(device, event(1), later),
      store.append(device, event(2), tenure),
      store.append(device, event(2), later),
    ];
    expect(await Promise.all(appended)).toEqual([true, false, true]);
  });

  it('leaves nothing of a device that left, and nothing for ever', async () => {
    const { store, keys } = counted();
    await store.open(device, { tokenHash: 'hash', isLinked: true }, tenure);
    await store.append(device, event(1), tenure);
    expect(lab.stored(keys)).toHaveLength(4);
    expect(lab.storedForEver(keys)).toEqual([]);
    await store.close(device, tenure);
    expect(lab.stored(keys)).toEqual([]);
  });

  it('begins nothing in a slot whose later owner wrote something else', async () => {
    const { store, keys } = counted();
    const later = { tenureOf: () => ({ ...tenure, epoch: 4 }) };
    await new RedisPresenceStore(lab.connection, keys, later).put(presenceOf('alice', 'phone'));
    expect(await store.open(device, { tokenHash: 'hash', isLinked: true }, tenure)).toBe(false);
    expect(lab.server.cli('GET', keys.fence(tenure.slot))).toBe('4');
    expect(lab.server.cli('PTTL', keys.fence(tenure.slot))).toBe('-1');
    expect(await store.open(device, { tokenHash: 'hash', isLinked: true }, { ...tenure, epoch: 5 })).toBe(
      true,
    );
    expect(lab.server.cli('GET', keys.fence(tenure.slot))).toBe('5');
    expect(lab.server.cli('PTTL', keys.fence(tenure.slot))).toBe('-1');
  });

  it('leaves no token that leads nowhere', async () => {
    const { store, keys } = counted();
    const tokens = () => lab.stored(keys).filter((name) => name.includes('resume-token'));
    await store.open(device, { tokenHash: 'first', isLinked: true }, tenure);
    await store.open(device, { tokenHash: 'second', isLinked: true }, tenure);
    expect(tokens()).toEqual([':resume-token:second']);
    expect(await store.open(device, { tokenHash: 'third', isLinked: true }, { ...tenure, epoch: 2 })).toBe(
      false,
    );
    expect(tokens()).toEqual([':resume-token:second']);
  });

  describe('› expiry', () => {
    const ttlOf = (key: string) => Number(lab.server.cli('PTTL', key));

    it('is put off by every heartbeat', async () => {
      const { store, keys } = counted();
      await store.open(device, { tokenHash: 'hash', isLinked: true }, tenure);
      await store.append(device, event(1), tenure);
      const all = [keys.resume(device), keys.resumeEvents(device), keys.resumableDevices(tenant, userId)];
      for (const key of all) lab.server.cli('PEXPIRE', key, '5000');

      await store.trim(device, 0, tenure);

      for (const key of all) expect(ttlOf(key)).toBeGreaterThan(LIMITS.resumeWindowMs);
      const outranked = new RedisResumeStore(lab.connection, keys);
      for (const key of all) lab.server.cli('PEXPIRE', key, '5000');
      await outranked.trim(device, 0, { ...tenure, epoch: 2 });
      for (const key of all) expect(ttlOf(key)).toBeLessThanOrEqual(5000);
    });

    it('of the way to the device is put off once in an hour', async () => {
      const { store, keys, sent } = counted();
      await store.open(device, { tokenHash: 'hash', isLinked: true }, tenure);
      sent.length = 0;
      await store.trim(device, 0, tenure);
      expect(sent).toEqual(['resume-trim']);

      lab.server.cli('HINCRBY', keys.resume(device), 'p', '-3600');
      lab.server.cli('PEXPIRE', keys.resumeToken('hash'), '5000');
      await store.trim(device, 0, tenure);
      expect(sent).toEqual(['resume-trim', 'resume-trim', 'SET']);
      expect(ttlOf(keys.resumeToken('hash'))).toBeGreaterThan(5 * 3600_000);
    });
  });
});
