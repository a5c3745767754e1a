import { LIMITS, handleSchema, type DirectoryEntry } from '@parley/protocol';
import { PaddedRefusals } from '../clock/padded-refusals.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import type { DirectoryEntries } from './directory-entries.port.ts';
import { DirectoryService } from './directory.service.ts';

const alice = callerNamed('alice');
const bob: DirectoryEntry = {
  userId: callerNamed('bob').userId,
  handle: handleSchema.parse('bob'),
  displayName: null,
};

function setUp(over: Partial<DirectoryEntries>) {
  const time = new ManualTime();
  const entries: DirectoryEntries = {
    find: () => Promise.resolve(undefined),
    search: () => Promise.resolve({ entries: [], next: null }),
    update: () => Promise.resolve(undefined),
    ...over,
  };
  return { time, service: new DirectoryService(entries, new PaddedRefusals(time, time)) };
}

describe('DirectoryService', () => {
  it('answers a found user at once', async () => {
    const { service } = setUp({ find: () => Promise.resolve(bob) });
    expect(await service.lookup(alice, { userId: bob.userId })).toEqual({ entry: bob });
  });

  it('refuses a user who is not there, or not for the caller, after the padded delay', async () => {
    const { service, time } = setUp({});
    const refusals: unknown[] = [];
    service.lookup(alice, { userId: bob.userId }).catch((error: unknown) => refusals.push(error));
    await settled();
    await time.advance(LIMITS.unavailablePaddingMs - 1);
    expect(refusals).toEqual([]);
    await time.advance(1);
    expect(refusals).toMatchObject([{ code: 'NOT_FOUND' }]);
  });

  it('takes its own cursors back and refuses what is none', async () => {
    const asked: unknown[] = [];
    const { service } = setUp({
      search: (_tenant, _viewer, _prefix, _limit, after) => {
        asked.push(after);
        return Promise.resolve({ entries: [bob], next: 'bob' });
      },
    });
    const { nextCursor } = await service.search(alice, { prefix: 'bob' });
    await service.search(alice, { prefix: 'bob', cursor: nextCursor! });
    expect(asked).toEqual([undefined, 'bob']);
    await expect(service.search(alice, { prefix: 'bob', cursor: '%' })).rejects.toMatchObject({
      code: 'BAD_REQUEST',
    });
  });

  it.each([
    ['taken', 'HANDLE_TAKEN'],
    [undefined, 'ACCOUNT_REQUIRED'],
  ] as const)('says why an update failed: %s', async (outcome, code) => {
    const { service } = setUp({ update: () => Promise.resolve(outcome) });
    await expect(service.update(alice, { handle: handleSchema.parse('bob') })).rejects.toMatchObject({
      code,
    });
  });
});
