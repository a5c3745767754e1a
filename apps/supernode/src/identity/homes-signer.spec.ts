import { generateKeyPairSync } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { decodePayload, DEFAULT_TENANT, homesSchema, userIdSchema, type Signed } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { isSignatureValid } from './ed25519.ts';
import { HomesSigner } from './homes-signer.ts';
import { MemoryKeyring, startedIdentity } from './testing/identity-fixtures.ts';
import { SigningKey } from './testing/signing-device.ts';

const user = { tenant: DEFAULT_TENANT, userId: userIdSchema.parse('ada') };
const HOMES = ['https://sn1.example.net', 'https://sn2.example.net'];

async function setUp(keyring = new MemoryKeyring(), time = new ManualTime()) {
  const identity = await startedIdentity(keyring);
  const signer = new HomesSigner(identity, keyring, time, time, new BackgroundTasks());
  await signer.onModuleInit();
  return { identity, keyring, time, signer };
}

const statement = (signed: Signed | undefined) => signed && decodePayload(homesSchema, signed);

describe('HomesSigner', () => {
  it('says where the homes of a user are, signed in its own context', async () => {
    const { identity, time, signer } = await setUp();

    const [signed, ...others] = signer.sign(user, HOMES, 7);

    expect(others).toEqual([]);
    expect(isSignatureValid('homes', signed!)).toBe(true);
    expect(isSignatureValid('deviceList', signed!)).toBe(false);
    expect(statement(signed)).toEqual({
      ...user,
      clusterId: identity.clusterId,
      homes: HOMES,
      epoch: 7,
      notBefore: time.now(),
      notAfter: time.now() + 7 * 24 * 3600_000,
      rosterKeys: [signed!.signer],
    });
  });

  it('uses one key in the whole cluster, and names no more homes than a list may hold', async () => {
    const { keyring, signer } = await setUp();
    const other = await setUp(keyring);

    const [signed] = other.signer.sign(user, [...HOMES, 'https://sn3', 'https://sn4'], 7);

    expect(signed?.signer).toBe(signer.sign(user, HOMES, 7)[0]?.signer);
    expect(statement(signed)?.homes).toEqual([...HOMES, 'https://sn3']);
  });

  it('announces the next key before it signs, lets both sign, and ends with the older one', async () => {
    const { keyring, time, signer } = await setUp();
    const [first] = signer.sign(user, HOMES, 7);
    const { privateKey } = generateKeyPairSync('ed25519');
    const { key, raw } = new SigningKey(privateKey);
    const secret = privateKey.export({ format: 'der', type: 'pkcs8' });
    const [begins, ends] = [time.now() + 300_000, time.now() + 600_000];
    keyring.rotate('roster', (newest) => {
      Object.assign(newest, { notAfter: new Date(ends) });
      return {
        ...newest,
        version: 2,
        secret,
        publicKey: raw,
        notBefore: new Date(begins),
        notAfter: null,
      };
    });

    await time.advance(60_000);
    await settled();
    const announced = signer.sign(user, HOMES, 7);
    expect(announced.map((signed) => signed.signer)).toEqual([first!.signer]);
    expect(statement(announced[0])?.rosterKeys).toEqual([key, first!.signer]);

    await time.advance(240_000);
    const both = signer.sign(user, HOMES, 7);
    expect(both.map((signed) => signed.signer)).toEqual([key, first!.signer]);
    expect(both.every((signed) => isSignatureValid('homes', signed))).toBe(true);

    await time.advance(300_000);
    expect(statement(signer.sign(user, HOMES, 7)[0])?.rosterKeys).toEqual([key]);
  });

  it('goes on with the keys that it knows while the store is away', async () => {
    const { keyring, time, signer } = await setUp();
    Logger.overrideLogger(false);
    keyring.keysOrCreate = () => Promise.reject(new Error('away'));
    await time.advance(60_000);

    signer.sign(user, HOMES, 7);
    await settled();

    expect(signer.sign(user, HOMES, 7)).toHaveLength(1);
    Logger.overrideLogger(['error']);
  });
});
