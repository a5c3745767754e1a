import { describe, expect, it } from '@jest/globals';
import type { Instant } from '@parley/nat';
import { DEFAULT_CLUSTER_SETTINGS } from './cluster-settings.ts';
import { Rights } from './rights.ts';

const at = (ms: number) => ms as Instant;

/** Lease and roster fresh as of `sentAt`; each right lasts 2,500 ms from there. */
function freshRights(sentAt = 0): Rights {
  const rights = new Rights(DEFAULT_CLUSTER_SETTINGS);
  rights.leaseRenewed(at(sentAt));
  rights.rosterConfirmed(at(sentAt));
  return rights;
}

describe('the right to act', () => {
  it('counts from when the requests were sent, and ends before the lease does', () => {
    const rights = freshRights(1_000);

    expect(rights.standing(at(3_499))).toBe('acting');
    expect(rights.standing(at(3_500))).toBe('suspended');
  });

  it('needs the lease and the roster', () => {
    const rights = freshRights();
    rights.rosterConfirmed(at(2_000));
    expect(rights.standing(at(2_600))).toBe('suspended');
    expect(rights.endsWith).toBe('lease-lapsed');

    rights.leaseRenewed(at(2_700));
    expect(rights.standing(at(2_800))).toBe('acting');
    expect(rights.standing(at(4_600))).toBe('suspended');
    expect(rights.endsWith).toBe('roster-unconfirmed');
  });

  it('is prolonged by the leases of all others while the database is away', () => {
    const rights = freshRights();
    for (let sentAt = 1_000; sentAt <= 20_000; sentAt += 1_000) {
      rights.leaseRenewed(at(sentAt));
      rights.leasesConfirmed(at(sentAt));
      rights.database.failed(at(sentAt));
    }

    expect(rights.standing(at(21_000))).toBe('acting');
  });

  it('is not brought back by leases once it lapsed: only by the database', () => {
    const rights = freshRights();
    rights.leaseRenewed(at(5_000));
    rights.leasesConfirmed(at(5_000));
    expect(rights.standing(at(5_100))).toBe('suspended');

    rights.rosterConfirmed(at(5_200));
    expect(rights.standing(at(5_300))).toBe('acting');
  });

  it('is not prolonged by leases when somebody names a later roster', () => {
    const rights = freshRights();
    rights.isBehind = true;
    rights.leaseRenewed(at(2_000));
    rights.leasesConfirmed(at(2_000));

    expect(rights.standing(at(2_400))).toBe('acting');
    expect(rights.standing(at(2_600))).toBe('suspended');
  });

  it('shrinks to those who are connected while a store is known to be away, and not by old news of it', () => {
    const rights = freshRights();
    rights.leaseStore.failed(at(2_000));

    expect(rights.standing(at(3_000))).toBe('connected-only');
    expect(rights.standing(at(20_000))).toBe('suspended');
  });

  it('ends for good with a later run of the same supernode', () => {
    const rights = freshRights();
    rights.isSuperseded = true;

    expect(rights.standing(at(1))).toBe('suspended');
  });

  it('never goes back by an answer that comes late', () => {
    const rights = freshRights(2_000);
    rights.leaseRenewed(at(1_000));
    rights.rosterConfirmed(at(1_000));

    expect(rights.until).toBe(4_500);
  });
});
