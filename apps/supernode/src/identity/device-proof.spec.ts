import { describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, LIMITS, type AuthenticationProof, type WireErrorCode } from '@parley/protocol';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { Refusal } from '../refusal.ts';
import { DeviceProofs } from './device-proof.ts';
import { sha256 } from './digest.ts';
import { MemoryKeyring, quietConnection, startedIdentity } from './testing/identity-fixtures.ts';
import { SigningDevice } from './testing/signing-device.ts';

const device = new SigningDevice();

async function setUp() {
  const time = new ManualTime();
  const proofs = new DeviceProofs(await startedIdentity(), time);
  const connection = quietConnection();
  return { time, proofs, connection, challenge: proofs.challenge(connection, { versions: [1] }) };
}

function codeOf(action: () => unknown): WireErrorCode | 'accepted' {
  try {
    action();
    return 'accepted';
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

describe('DeviceProofs', () => {
  it('accepts a right proof', async () => {
    const { proofs, connection, challenge } = await setUp();

    const proven = proofs.verify(
      connection,
      device.prove(challenge, 'authenticate', { token: 't' }),
      'authenticate',
      't',
    );

    expect(proven).toEqual({ tenant: DEFAULT_TENANT, deviceId: device.deviceId, deviceKey: device.key });
  });

  it('refuses a client that speaks no common version', async () => {
    const { proofs, connection } = await setUp();

    expect(codeOf(() => proofs.challenge(connection, { versions: [99] }))).toBe('UNSUPPORTED_VERSION');
  });

  const wrong: [string, Partial<AuthenticationProof>, WireErrorCode][] = [
    ['for another cluster', { clusterId: 'other' }, 'BAD_PROOF'],
    ['for another server', { serverId: 'other' }, 'BAD_PROOF'],
    ['for another purpose', { purpose: 'recover' }, 'BAD_PROOF'],
    ['over another token', { tokenHash: sha256('other') }, 'BAD_PROOF'],
    ['that names another device key', { deviceKey: new SigningDevice().key }, 'BAD_PROOF'],
    ['over another nonce', { nonce: sha256('other') }, 'CHALLENGE_EXPIRED'],
  ];
  it.each(wrong)('refuses a proof %s', async (_what, members, code) => {
    const { proofs, connection, challenge } = await setUp();
    const proof = device.prove(challenge, 'authenticate', { token: 't', ...members });

    expect(codeOf(() => proofs.verify(connection, proof, 'authenticate', 't'))).toBe(code);
  });

  it('refuses a proof of another connection', async () => {
    const { proofs, connection, challenge } = await setUp();
    const other = quietConnection();
    proofs.challenge(other, { versions: [1] });

    const proof = device.prove(challenge, 'authenticate');

    expect(codeOf(() => proofs.verify(other, proof, 'authenticate', ''))).toBe('CHALLENGE_EXPIRED');
    expect(codeOf(() => proofs.verify(connection, proof, 'authenticate', ''))).toBe('accepted');
  });

  it('refuses a proof signed in another context, by another key, or of another shape', async () => {
    const { proofs, connection } = await setUp();
    const challenge = () => proofs.challenge(connection, { versions: [1] });
    const verify = (signed: ReturnType<typeof device.sign>) =>
      codeOf(() => proofs.verify(connection, signed, 'authenticate', ''));

    expect(verify(device.sign('deviceList', { nonce: challenge().nonce }))).toBe('BAD_PROOF');
    expect(verify({ ...device.prove(challenge(), 'authenticate'), signer: new SigningDevice().key })).toBe(
      'BAD_PROOF',
    );
    challenge();
    expect(verify(device.sign('authentication', { purpose: 'authenticate' }))).toBe('BAD_PROOF');
  });

  it('takes a nonce once, whatever came of it', async () => {
    const { proofs, connection, challenge } = await setUp();
    const proof = device.prove(challenge, 'authenticate');
    proofs.verify(connection, proof, 'authenticate', '');

    expect(codeOf(() => proofs.verify(connection, proof, 'authenticate', ''))).toBe('CHALLENGE_EXPIRED');

    const second = proofs.challenge(connection, { versions: [1] });
    const good = device.prove(second, 'authenticate');
    expect(codeOf(() => proofs.verify(connection, device.prove(second, 'renew'), 'authenticate', ''))).toBe(
      'BAD_PROOF',
    );
    expect(codeOf(() => proofs.verify(connection, good, 'authenticate', ''))).toBe('CHALLENGE_EXPIRED');
  });

  it('lets a challenge end at its time', async () => {
    const { time, proofs, connection, challenge } = await setUp();
    await time.advance(LIMITS.challengeLifetimeMs);

    expect(
      codeOf(() => proofs.verify(connection, device.prove(challenge, 'authenticate'), 'authenticate', '')),
    ).toBe('CHALLENGE_EXPIRED');
  });

  it('keeps the cluster id over restarts and names each run anew', async () => {
    const keyring = new MemoryKeyring();

    const before = await startedIdentity(keyring);
    const after = await startedIdentity(keyring);

    expect(after.clusterId).toBe(before.clusterId);
    expect(after.serverId).not.toBe(before.serverId);
  });
});
