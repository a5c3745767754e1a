import { describe, expect, it } from '@jest/globals';
import { tenantIdSchema } from '@parley/protocol';
import type { AuditRecord } from '../../admin/audit.ts';
import { EMPTY_ROSTER, type Roster } from '../roster.ts';
import {
  KEPT_DECISIONS,
  NO_CONTROLS,
  type RecordedDecision,
  type RosterStore,
} from '../roster-store.port.ts';
import { SLOT_COUNT } from '../slot.ts';

/** An empty store for one test. */
export interface RosterSubject {
  readonly store: RosterStore;
  auditedActions(): Promise<readonly string[]>;
}

export function rosterOf(epoch: number, ...nodeIds: readonly string[]): Roster {
  return {
    epoch,
    coordinator: 'node-a',
    writtenAt: Date.UTC(2026, 0, 1) + epoch,
    seats: nodeIds.map((nodeId, index) => ({
      nodeId,
      incarnation: index + 1,
      region: 'default',
      addresses: {
        edge: `http://192.0.2.${index + 1}:8080`,
        stun: index === 0 ? null : `192.0.2.${index}:3478`,
      },
      weight: 0.1 * (index + 1),
    })),
    owners: Array.from({ length: SLOT_COUNT }, (_, slot) => slot % nodeIds.length),
    slotEpochs: Array.from({ length: SLOT_COUNT }, (_, slot) => (slot < 5 ? epoch : 1)),
  };
}

const decision = (epoch: number, nodeId: string): RecordedDecision => ({
  at: Date.UTC(2026, 0, 1) + epoch,
  epoch,
  coordinator: 'node-a',
  action: 'promote',
  nodeId,
  region: 'default',
  reason: 'load-needs-it',
  score: nodeId === 'node-x' ? undefined : 0.75,
  terms:
    nodeId === 'node-x'
      ? undefined
      : { cpu: 1, eventLoop: 0.5, memory: 1, relay: 1, uptime: 0, reachability: 1, version: 1 },
  detail: '812 of 1,000 connections',
  movedSlots: 1365,
});

const audit = (action: string): AuditRecord => ({
  tenant: tenantIdSchema.parse('default'),
  actor: 'test',
  action,
  target: 'cluster',
});

/** What every implementation of {@link RosterStore} does. */
export function rosterStoreContract(open: () => Promise<RosterSubject>): void {
  describe('RosterStore', () => {
    it('begins with the empty roster', async () => {
      const { store } = await open();

      expect(await store.read()).toEqual(EMPTY_ROSTER);
      expect(await store.poll(0)).toEqual({ roster: undefined, controls: NO_CONTROLS });
      expect((await store.poll(3)).roster).toEqual(EMPTY_ROSTER);
    });

    it('gives back what was written, and only to who knows another one', async () => {
      const { store } = await open();
      const roster = rosterOf(70_000, 'node-a', 'node-b', 'node-c');

      expect(await store.replace(roster, 0)).toBe(true);

      expect(await store.read()).toEqual(roster);
      expect((await store.poll(69_999)).roster).toEqual(roster);
      expect((await store.poll(70_001)).roster).toEqual(roster);
      expect((await store.poll(70_000)).roster).toBeUndefined();
    });

    it('refuses who expected another epoch, and writes nothing of it', async () => {
      const { store } = await open();
      const first = rosterOf(1, 'node-a');

      expect(await store.replace(rosterOf(6, 'node-x'), 5)).toBe(false);
      expect(await store.read()).toEqual(EMPTY_ROSTER);

      await store.replace(first, 0);
      expect(await store.replace(rosterOf(2, 'node-x'), 0, [decision(2, 'node-b')])).toBe(false);
      expect(await store.replace(rosterOf(9, 'node-x'), 8)).toBe(false);
      expect(await store.read()).toEqual(first);
      expect(await store.decisions(10)).toEqual([]);
    });

    it('lets one of several coordinators write an epoch, whether the first or a later one', async () => {
      const { store } = await open();
      const writers = ['node-a', 'node-b', 'node-c', 'node-d'];
      for (const epoch of [1, 2]) {
        const outcomes = await Promise.all(
          writers.map((nodeId) =>
            store.replace(rosterOf(epoch, nodeId), epoch - 1, [decision(epoch, nodeId)]),
          ),
        );

        expect(outcomes.filter(Boolean)).toHaveLength(1);
        const winner = writers[outcomes.indexOf(true)];
        expect((await store.read()).seats.map(({ nodeId }) => nodeId)).toEqual([winner]);
        expect((await store.decisions(10)).map(({ nodeId }) => nodeId)[0]).toBe(winner);
      }
      expect(await store.decisions(10)).toHaveLength(2);
    });

    it('can be without a seat again', async () => {
      const { store } = await open();
      const nobody: Roster = { ...rosterOf(2, 'node-a'), seats: [], owners: [], slotEpochs: [] };
      await store.replace(rosterOf(1, 'node-a'), 0);

      await store.replace(nobody, 1);

      expect(await store.read()).toEqual(nobody);
    });

    it('refuses an epoch that is no higher', async () => {
      const { store } = await open();

      await expect(store.replace(rosterOf(3, 'node-a'), 3)).rejects.toMatchObject({ code: 'SN_INVARIANT' });
    });

    it('keeps what led to each roster, the newest first', async () => {
      const { store } = await open();
      const [first, second, third] = [decision(1, 'node-b'), decision(1, 'node-c'), decision(1, 'node-x')];

      await store.replace(rosterOf(1, 'node-a'), 0, [first, second]);
      await store.replace(rosterOf(2, 'node-a'), 1, [third]);
      await store.replace(rosterOf(3, 'node-a'), 2);

      expect(await store.decisions(10)).toEqual([third, second, first]);
      expect(await store.decisions(1)).toEqual([third]);
    });

    it('forgets the oldest decisions beyond its bound', async () => {
      const { store } = await open();
      const many = Array.from({ length: KEPT_DECISIONS }, (_, index) => decision(index + 1, 'node-b'));
      await store.replace(rosterOf(1, 'node-a'), 0, [decision(0, 'oldest')]);

      await store.replace(rosterOf(2, 'node-a'), 1, many);
      await store.replace(rosterOf(3, 'node-a'), 2, [decision(KEPT_DECISIONS + 1, 'newest')]);

      const kept = await store.decisions(KEPT_DECISIONS * 2);
      expect(kept[0]?.nodeId).toBe('newest');
      expect(kept.length).toBeLessThanOrEqual(KEPT_DECISIONS + 1);
      expect(kept.map(({ nodeId }) => nodeId)).not.toContain('oldest');
    });

    it('changes the controls as they are, whoever changes them at the same time, and audits each', async () => {
      const { store, auditedActions } = await open();
      expect(await store.controls()).toEqual(NO_CONTROLS);

      await Promise.all([
        store.changeControls((controls) => ({ ...controls, isFrozen: true }), audit('election.freeze')),
        ...['node-a', 'node-b'].map((nodeId) =>
          store.changeControls(
            ({ pins, ...controls }) => ({ ...controls, pins: { ...pins, [nodeId]: 'standby' } }),
            audit('supernode.pin'),
          ),
        ),
      ]);

      expect(await store.controls()).toEqual({
        isFrozen: true,
        pins: { 'node-a': 'standby', 'node-b': 'standby' },
      });
      expect((await auditedActions()).toSorted()).toEqual([
        'election.freeze',
        'supernode.pin',
        'supernode.pin',
      ]);
    });

    it('numbers incarnations upwards, also for those who ask at once', async () => {
      const { store } = await open();

      const first = await store.nextIncarnation();
      const more = await Promise.all([1, 2, 3].map(() => store.nextIncarnation()));

      expect(new Set(more).size).toBe(3);
      expect(Math.min(...more)).toBeGreaterThan(first);
    });
  });
}
