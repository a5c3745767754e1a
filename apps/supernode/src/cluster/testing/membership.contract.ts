import { describe, expect, it } from '@jest/globals';
import type { CoordinatorLease, MembershipStore } from '../membership.port.ts';
import type { NodeRecord } from '../node-record.ts';

export interface MembershipLab {
  readonly members: MembershipStore;
  readonly coordinator: CoordinatorLease;
  /** Time passes for leases. */
  pass(milliseconds: number): Promise<void>;
}

const record = (nodeId: string, incarnation = 1, over: Partial<NodeRecord> = {}): NodeRecord => ({
  nodeId,
  incarnation,
  state: 'active',
  region: 'default',
  version: '1.0.0',
  roles: ['index', 'relay'],
  addresses: { edge: `http://${nodeId}:8080`, stun: null },
  capacity: { connections: 1000, relayBytesPerSecond: 1e6, eventLoopDelayMs: 50 },
  load: { connections: 1, cpu: 0.5, memory: 0.25, eventLoopDelayMs: 1, relayBytesPerSecond: 0 },
  uptimeMs: 1000,
  unreachable: [],
  reached: ['b'],
  rosterEpoch: 3,
  databaseReachable: true,
  ...over,
});

const TTL_MS = 200;
const HELD = 60_000;

/** What every implementation of the two ports must do. */
export function membershipContract(make: () => MembershipLab): void {
  describe('› membership', () => {
    it('lists who has a lease, with what it published last', async () => {
      const { members } = make();
      expect(await members.list()).toEqual([]);
      await members.renew(record('a'), HELD);
      await members.renew(record('b'), HELD);
      await members.renew(record('a', 1, { uptimeMs: 2000 }), HELD);
      const listed = [...(await members.list())].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
      expect(listed).toEqual([record('a', 1, { uptimeMs: 2000 }), record('b')]);
    });

    it('ends a lease that is not renewed, and no other', async () => {
      const { members, pass } = make();
      await members.renew(record('a'), TTL_MS);
      await members.renew(record('b'), HELD);
      expect(await members.list()).toHaveLength(2);
      await pass(TTL_MS);
      expect((await members.list()).map(({ nodeId }) => nodeId)).toEqual(['b']);
    });

    it('refuses an incarnation that was followed by a higher one, for as long as that has its lease', async () => {
      const { members, pass } = make();
      expect(await members.renew(record('a', 1), HELD)).toBe(true);
      expect(await members.renew(record('a', 2), TTL_MS)).toBe(true);
      expect(await members.renew(record('a', 1), HELD)).toBe(false);
      expect(await members.list()).toEqual([record('a', 2)]);
      await pass(TTL_MS);
      expect(await members.renew(record('a', 1), HELD)).toBe(true);
    });

    it('is released by the incarnation that holds it only', async () => {
      const { members } = make();
      await members.renew(record('a', 2), HELD);
      await members.release('a', 1);
      await members.release('b', 2);
      expect(await members.list()).toHaveLength(1);
      await members.release('a', 2);
      expect(await members.list()).toEqual([]);
    });
  });

  describe('› coordinator', () => {
    it('has one holder, who may renew', async () => {
      const { coordinator } = make();
      expect(await coordinator.holder()).toBeUndefined();
      expect(await coordinator.hold('a', 1, HELD)).toBe(true);
      expect(await coordinator.hold('a', 1, HELD)).toBe(true);
      expect(await coordinator.hold('b', 1, HELD)).toBe(false);
      expect(await coordinator.holder()).toBe('a');
    });

    it('is not handed on to another incarnation of the holder', async () => {
      const { coordinator } = make();
      await coordinator.hold('a', 1, HELD);
      expect(await coordinator.hold('a', 2, HELD)).toBe(false);
    });

    it('is free when it was not renewed, and a holder of yesterday does not get it back', async () => {
      const { coordinator, pass } = make();
      await coordinator.hold('a', 1, TTL_MS);
      await pass(TTL_MS);
      expect(await coordinator.holder()).toBeUndefined();
      expect(await coordinator.hold('b', 1, HELD)).toBe(true);
      expect(await coordinator.hold('a', 1, HELD)).toBe(false);
    });

    it('is released by its holder only', async () => {
      const { coordinator } = make();
      await coordinator.hold('a', 2, HELD);
      await coordinator.release('a', 1);
      await coordinator.release('b', 2);
      expect(await coordinator.holder()).toBe('a');
      await coordinator.release('a', 2);
      expect(await coordinator.hold('b', 1, HELD)).toBe(true);
    });
  });
}
