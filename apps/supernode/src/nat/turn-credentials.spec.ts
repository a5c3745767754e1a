import { describe, expect, it } from '@jest/globals';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { credentialIdOf, tenantRefOf } from './turn-credential-ids.ts';
import { TurnCredentials } from './turn-credentials.ts';
import type { TurnSecrets } from './turn-secrets.port.ts';

const TTL = 600;
const OWNER = { tenantId: 'acme', userId: 'u1', deviceId: 'd1' };

async function credentials(
  secrets: Record<string, string> = { default: 'default secret', acme: 'acme secret' },
) {
  const stored = new Map(Object.entries(secrets));
  const store: TurnSecrets = {
    all: () => Promise.resolve([...stored].map(([tenantId, secret]) => ({ tenantId, secret }))),
    find: (tenantId) => Promise.resolve(stored.get(tenantId)),
  };
  const time = new ManualTime();
  const subject = new TurnCredentials(store, { turnCredentialSeconds: TTL }, time);
  await subject.load();
  return { subject, time, stored };
}

describe('TurnCredentials', () => {
  it('issues a username of expiry and id, with the password that the tenant\u2019s secret gives', async () => {
    const { subject, time } = await credentials();
    const expiry = time.now() / 1000 + TTL;

    const issued = await subject.issue(OWNER);

    expect(issued?.credential).toMatchObject({
      username: `${expiry}:${credentialIdOf(OWNER, 'acme secret')}`,
      ttlSeconds: TTL,
      expiresAt: expiry * 1000,
    });
    expect(issued?.credential.password).toMatch(/^[\w+/]{27}=$/);
    expect(issued?.learnt).toEqual([]);
  });

  it('names nobody in the clear, and tells devices, users and tenants apart', () => {
    const ids = [
      OWNER,
      { ...OWNER, deviceId: 'd2' },
      { ...OWNER, userId: 'u2' },
      { ...OWNER, tenantId: 'other' },
      { ...OWNER, tenantId: 'default' },
    ].map((owner) => credentialIdOf(owner, 'acme secret'));

    expect(new Set(ids).size).toBe(5);
    expect(ids.join()).not.toMatch(/acme|u1|d1/);
    expect(ids[0]?.startsWith(`${tenantRefOf('acme')}/`)).toBe(true);
    expect(ids[4]?.split('/')).toHaveLength(2);
  });

  it('puts the id of a user above those of its devices, so that revoking one means all', () => {
    const { tenantId, userId } = OWNER;

    expect(credentialIdOf(OWNER, 's').startsWith(`${credentialIdOf({ tenantId, userId }, 's')}/`)).toBe(true);
  });

  it('learns the secret of a tenant that is newer than the start, and knows none of an unknown one', async () => {
    const { subject, stored } = await credentials({});
    expect(await subject.issue(OWNER)).toBeUndefined();
    stored.set('acme', 'acme secret');

    const secret = { kind: 'set-secrets', tenantRef: tenantRefOf('acme'), secrets: ['acme secret'] };
    expect((await subject.issue(OWNER))?.learnt).toEqual([secret]);
    expect((await subject.issue(OWNER))?.learnt).toEqual([]);
    expect(subject.replay()).toEqual([secret]);
  });

  it('revokes what was issued so far and nothing that is issued later, even in the same second', async () => {
    const { subject } = await credentials();
    const before = await subject.issue(OWNER);

    const [revocation] = await subject.revoke(OWNER);
    const after = await subject.issue(OWNER);

    const expiryOf = (issued: typeof before) => Number(issued?.credential.username.split(':')[0]);
    if (revocation?.kind !== 'revoke') throw new RangeError('no revocation');
    expect(expiryOf(before)).toBeLessThanOrEqual(revocation.untilEpochSeconds);
    expect(expiryOf(after)).toBeGreaterThan(revocation.untilEpochSeconds);
  });

  it('tells a new relay of revocations as long as they matter', async () => {
    const { subject, time } = await credentials();
    await subject.revoke({ tenantId: 'acme', userId: 'u1' });
    const revocations = () => subject.replay().filter(({ kind }) => kind === 'revoke');

    await time.advance(TTL * 1000);
    expect(revocations()).toHaveLength(1);
    await time.advance(1000);
    expect(revocations()).toEqual([]);
  });

  it('has nothing to revoke in an unknown tenant', async () => {
    const { subject } = await credentials({});

    expect(await subject.revoke(OWNER)).toEqual([]);
  });
});
