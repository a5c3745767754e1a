import { describe, expect, it } from '@jest/globals';
import { LIMITS, type TenantId } from '@parley/protocol';
import type { Caller } from '../../identity/caller.ts';
import { callerNamed } from '../../identity/testing/callers.ts';
import type { AppendOutcome, MailboxStore } from '../mailbox-store.port.ts';
import { copyFor, messageNamed, sealedEnvelope } from './sealed-copies.ts';

/** A store with the mailboxes of two devices of bob and one of carol, and a device that has none. */
export interface MailboxWorld {
  readonly store: MailboxStore;
  readonly tenant: TenantId;
}

export const MAILBOX_OWNERS: readonly (readonly [string, string])[] = [
  ['ada', 'phone'],
  ['bob', 'phone'],
  ['bob', 'tablet'],
  ['carol', 'phone'],
];

const FILL_AT_ONCE = 60;
const PAGE = { items: 50, bytes: 40_000 };
const AT = Date.UTC(2026, 0, 1);
/** Retention knows no tenants: only what the test of it stores is so old. */
const LONG_AGO = Date.UTC(2025, 0, 1);

const kinds = (outcomes: readonly AppendOutcome[]): string[] => outcomes.map(({ kind }) => kind);

interface World {
  readonly store: MailboxStore;
  readonly ada: Caller;
  readonly bob: Caller;
  readonly tablet: Caller;
  readonly carol: Caller;
}

/** What every mailbox store must do. */
export function describeMailboxStore(name: string, make: () => Promise<MailboxWorld>): void {
  const setUp = async (): Promise<World> => {
    const { store, tenant } = await make();
    return {
      store,
      ada: callerNamed('ada', 'phone', tenant),
      bob: callerNamed('bob', 'phone', tenant),
      tablet: callerNamed('bob', 'tablet', tenant),
      carol: callerNamed('carol', 'phone', tenant),
    };
  };
  const cursors = async ({ store }: World, device: Caller, after = 0): Promise<number[]> =>
    (await store.read(device, after, PAGE))?.items.map(({ cursor }) => cursor) ?? [];

  describe(`MailboxStore › ${name}`, () => {
    it('gives back what was stored, in order, with cursors that count up by one in each mailbox', async () => {
      const { store, ada, bob, tablet } = await setUp();
      const [first, second] = [copyFor(bob, ada, 'a'), copyFor(bob, ada, 'b', { isRequest: true })];

      const outcomes = await store.append([first, copyFor(tablet, ada, 'a'), second], AT);

      expect(outcomes).toEqual([
        { kind: 'stored', mark: { cursor: 1, storedAt: AT, isRequest: false } },
        { kind: 'stored', mark: { cursor: 1, storedAt: AT, isRequest: false } },
        { kind: 'stored', mark: { cursor: 2, storedAt: AT, isRequest: true } },
      ]);
      const expected = [first, second].map(({ messageId, from, envelope, isRequest }, at) => ({
        cursor: at + 1,
        messageId,
        from,
        envelope,
        isRequest,
        storedAt: AT,
      }));
      expect(await store.read(bob, 0, PAGE)).toEqual({ items: expected, hasMore: false, droppedThrough: 0 });
    });

    it('stores a copy once, in one batch and over several', async () => {
      const world = await setUp();
      const { store, ada, bob } = world;

      const batch = await store.append([copyFor(bob, ada, 'a'), copyFor(bob, ada, 'a')], AT);
      const again = await store.append([copyFor(bob, ada, 'b'), copyFor(bob, ada, 'a')], AT + 1);

      expect(kinds([...batch, ...again])).toEqual(['stored', 'duplicate', 'stored', 'duplicate']);
      expect(again[1]).toMatchObject({ mark: { cursor: 1, storedAt: AT } });
      expect(await cursors(world, bob)).toEqual([1, 2]);
    });

    it('takes the same message id of two senders for two messages', async () => {
      const world = await setUp();
      const { store, ada, bob, carol } = world;

      await store.append([copyFor(bob, ada, 'a'), copyFor(bob, carol, 'a')], AT);

      expect(await cursors(world, bob)).toEqual([1, 2]);
    });

    it('keeps nothing that is discarded, and nothing for a device that has no mailbox', async () => {
      const world = await setUp();
      const { store, ada, bob } = world;
      const nobody = callerNamed('bob', 'lost', bob.tenant);

      const outcomes = await store.append(
        [copyFor(bob, ada, 'a', { isDiscarded: true }), copyFor(nobody, ada, 'a'), copyFor(bob, ada, 'a')],
        AT,
      );

      const blocked = await store.append([copyFor(bob, ada, 'a', { isDiscarded: true })], AT);

      expect(kinds([...outcomes, ...blocked])).toEqual(['discarded', 'no-mailbox', 'stored', 'discarded']);
      expect(await cursors(world, bob)).toEqual([1]);
      expect(await store.read(nobody, 0, PAGE)).toBeUndefined();
    });

    it('gives pages by number and by size, and one copy in any case', async () => {
      const { store, ada, bob } = await setUp();
      const sizes = [100, 100, 100, 5_000, 100];
      await store.append(
        sizes.map((bytes, at) => copyFor(bob, ada, String(at), { envelope: sealedEnvelope(bytes) })),
        AT,
      );
      const page = async (after: number, size: { items: number; bytes: number }): Promise<unknown> => {
        const read = await store.read(bob, after, size);
        return [read?.items.map(({ cursor }) => cursor), read?.hasMore];
      };

      expect(await page(0, { items: 2, bytes: 10_000 })).toEqual([[1, 2], true]);
      expect(await page(2, { items: 9, bytes: 200 })).toEqual([[3], true]);
      expect(await page(3, { items: 9, bytes: 200 })).toEqual([[4], true]);
      expect(await page(4, { items: 1, bytes: 200 })).toEqual([[5], false]);
      expect(await page(5, { items: 9, bytes: 200 })).toEqual([[], false]);
    });

    it('deletes what is acknowledged, and never gives a cursor again', async () => {
      const world = await setUp();
      const { store, ada, bob, tablet } = world;
      await store.append([copyFor(bob, ada, 'a'), copyFor(bob, ada, 'b'), copyFor(tablet, ada, 'a')], AT);

      const { tenant, deviceId } = bob;
      const count = await store.acknowledge([
        { tenant, deviceId, cursors: [2, 7] },
        { tenant, deviceId, cursors: [1] },
      ]);
      await store.append([copyFor(bob, ada, 'c')], AT);

      expect(count).toBe(2);
      expect(await cursors(world, bob)).toEqual([3]);
      expect(await cursors(world, tablet)).toEqual([1]);
    });

    it('refuses what has no room, of one mailbox only, whether or not it would be discarded', async () => {
      const world = await setUp();
      const { store, ada, bob, tablet } = world;
      const envelope = sealedEnvelope(LIMITS.maxSealedBytes);
      const room = Math.floor(LIMITS.maxMailboxBytesPerDevice / LIMITS.maxSealedBytes);
      for (let from = 0; from < room; from += FILL_AT_ONCE) {
        const names = Array.from({ length: Math.min(FILL_AT_ONCE, room - from) }, (_, n) => from + n);
        await store.append(
          names.map((n) => copyFor(bob, ada, `fill ${String(n)}`, { envelope })),
          AT,
        );
      }

      const outcomes = await store.append(
        [
          copyFor(bob, ada, 'late', { envelope }),
          copyFor(bob, ada, 'unwanted', { envelope, isDiscarded: true }),
          copyFor(tablet, ada, 'late', { envelope }),
          copyFor(bob, ada, 'fill 0', { envelope }),
        ],
        AT,
      );
      const { tenant, deviceId } = bob;
      await store.acknowledge([{ tenant, deviceId, cursors: [1] }]);
      const retried = await store.append([copyFor(bob, ada, 'late', { envelope })], AT);

      expect(kinds(outcomes)).toEqual(['full', 'full', 'stored', 'duplicate']);
      expect(retried).toMatchObject([{ kind: 'stored', mark: { cursor: room + 1 } }]);
    }, 60_000);

    it('drops what is too old, and says up to where', async () => {
      const world = await setUp();
      const { store, ada, bob, tablet } = world;
      await store.append([copyFor(bob, ada, 'a'), copyFor(bob, ada, 'b')], LONG_AGO);
      await store.append([copyFor(bob, ada, 'c'), copyFor(tablet, ada, 'c')], AT);

      const dropped = await store.dropExpired(LONG_AGO + 1);

      expect(dropped).toBe(2);
      expect(await store.dropExpired(LONG_AGO + 1)).toBe(0);
      expect(await cursors(world, bob)).toEqual([3]);
      expect((await store.read(bob, 0, PAGE))?.droppedThrough).toBe(2);
      expect((await store.read(tablet, 0, PAGE))?.droppedThrough).toBe(0);
      expect(messageNamed('c')).toBe((await store.read(bob, 0, PAGE))?.items[0]?.messageId);
    });
  });
}
