import { describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, userIdSchema, type RequestOf } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import type { Caller, DeviceAddress } from '../identity/caller.ts';
import { DeviceProofs } from '../identity/device-proof.ts';
import { HomesSigner } from '../identity/homes-signer.ts';
import { SignInService } from '../identity/sign-in.service.ts';
import { MemoryKeyring, startedIdentity } from '../identity/testing/identity-fixtures.ts';
import { SigningDevice } from '../identity/testing/signing-device.ts';
import { Metrics } from '../observability/metrics.ts';
import { Refusal } from '../refusal.ts';
import { ComingHomes } from './coming-homes.ts';
import { Connection } from './connection.ts';
import { DeviceChannels } from './device-channels.ts';
import { EdgeSignIn } from './edge-sign-in.service.ts';
import type { FlowOccasion, RelayAccess } from './relay-access.port.ts';
import { MemoryResumeStore } from './resume-store.memory.ts';
import { SignedHomes } from './signed-homes.ts';
import { FailedSignIns } from './failed-sign-ins.ts';
import { StormAdmission } from './storm-admission.ts';
import { MovableRoster } from './testing/movable-ownership.ts';
import { RecordingTransport } from './testing/recording-transport.ts';

const device = new SigningDevice();
const caller: Caller = {
  tenant: DEFAULT_TENANT,
  userId: userIdSchema.parse('ada'),
  deviceId: device.deviceId,
  linked: true,
};
const request: RequestOf<'authenticate'> = { token: 't', proof: device.sign('authentication', {}) };
const signedIn = { caller, handle: null, deviceListVersion: 1 };

const limits = { signInsPerSecond: 100, resumesPerSecond: 100, maxSignInsUnderWay: 10, warmUpSeconds: 0 };

async function setUp(signIns: Partial<SignInService>, relay: Partial<RelayAccess> = {}) {
  const time = new ManualTime();
  const roster = new MovableRoster();
  const ownership = roster.join('here');
  const { homes } = ownership;
  const channels = new DeviceChannels(new MemoryResumeStore(), time, new BackgroundTasks(), homes);
  const transport = new RecordingTransport();
  const connection = new Connection('192.0.2.1', transport, time);
  const identity = await startedIdentity();
  const signer = new HomesSigner(identity, new MemoryKeyring(), time, time, new BackgroundTasks());
  const signIn = new EdgeSignIn(
    Object.assign(Object.create(SignInService.prototype) as SignInService, {
      authenticate: () => Promise.resolve(signedIn),
      reauthorise: () => Promise.resolve(signedIn),
      ...signIns,
    }),
    new DeviceProofs(identity, time),
    channels,
    homes,
    new ComingHomes(homes, time),
    new SignedHomes(ownership, homes, signer),
    new FailedSignIns(new Metrics({ withProcess: false }), time),
    new StormAdmission(new Metrics({ withProcess: false }), time, time, limits, { isHeldBack: false }),
    {
      stunServers: () => [],
      issue: () => Promise.resolve(undefined),
      openFlow: () => undefined,
      isRelaying: () => Promise.resolve(false),
      revoke: () => Promise.resolve(),
      ...relay,
    },
    time,
  );
  return { channels, connection, transport, signIn, roster };
}

describe('EdgeSignIn', () => {
  it('names other supernodes to whom it has no room for, and not the same ones first to all', async () => {
    const { roster, connection, signIn } = await setUp({
      authenticate: () => Promise.reject(new Refusal('BUSY', 'full', 100, { windowMs: 1000 })),
    });
    const named = async () =>
      signIn.authenticate(connection, request).then(
        () => undefined,
        (refusal: unknown) => (refusal instanceof Refusal ? refusal : undefined),
      );
    expect((await named())?.alternates).toEqual([]);
    for (const name of ['b', 'c', 'd', 'e']) roster.join(name);
    const [first, second] = [await named(), await named()];
    expect(first).toMatchObject({ code: 'BUSY', message: 'full', retryAfterMs: 100, windowMs: 1000 });
    for (const refusal of [first, second]) {
      expect(refusal?.alternates).toHaveLength(3);
      expect(refusal?.alternates).not.toContain('http://here.example.net');
    }
    expect(first?.alternates?.[0]).not.toBe(second?.alternates?.[0]);
  });

  it('gives a sign-in the keys of a fresh flow, and nobody who is not linked', async () => {
    const asked: unknown[] = [];
    const flow = { id: 'AAAAAAAAAAA', key: 'A'.repeat(43), servers: ['198.51.100.7:3478'] };
    const openFlow = (device: DeviceAddress, occasion: FlowOccasion) => {
      asked.push([device.deviceId, occasion]);
      return flow;
    };
    const linked = await setUp({}, { openFlow });
    expect((await linked.signIn.authenticate(linked.connection, request)).data).toMatchObject({ flow });
    const unlinked = { ...signedIn, caller: { ...caller, linked: false } };
    const waiting = await setUp({ authenticate: () => Promise.resolve(unlinked) }, { openFlow });
    expect((await waiting.signIn.authenticate(waiting.connection, request)).data).toMatchObject({
      flow: null,
    });

    expect(asked).toEqual([[caller.deviceId, 'sign-in']]);
  });

  it('puts the device on the connection and opens its channel', async () => {
    const { channels, connection, signIn } = await setUp({});

    const { data } = await signIn.authenticate(connection, request);

    expect(data).toMatchObject({ userId: 'ada', linked: true, relay: null, resume: { windowMs: 120_000 } });
    expect(connection.device).toEqual({ caller, hasAccount: true });
    expect(channels.connectedDevices(DEFAULT_TENANT, caller.userId)).toEqual([caller.deviceId]);
  });

  it('cuts a device off that was removed while it signed in', async () => {
    const removed = new Refusal('DEVICE_REMOVED');
    const { channels, connection, transport, signIn } = await setUp({
      authenticate: async () => {
        await channels.end(caller, 'revoked');
        return signedIn;
      },
      reauthorise: () => Promise.reject(removed),
    });

    await expect(signIn.authenticate(connection, request)).rejects.toBe(removed);

    expect(connection.device).toBeUndefined();
    expect(transport.isClosed).toBe(true);
    expect(channels.counts).toEqual({ connected: 0, known: 0 });
  });

  it('lets a device stay that is still listed after another one was removed', async () => {
    const { channels, connection, signIn } = await setUp({
      authenticate: async () => {
        await channels.end({ ...caller, deviceId: new SigningDevice().deviceId }, 'revoked');
        return signedIn;
      },
    });

    await signIn.authenticate(connection, request);

    expect(channels.counts).toEqual({ connected: 1, known: 1 });
  });

  it('leaves nothing behind when no relay credential can be had', async () => {
    const away = new Refusal('STORE_UNAVAILABLE');
    const { channels, connection, signIn } = await setUp({}, { issue: () => Promise.reject(away) });

    await expect(signIn.authenticate(connection, request)).rejects.toBe(away);

    expect(connection.device).toBeUndefined();
    expect(channels.counts).toEqual({ connected: 0, known: 0 });
  });

  it('signs nobody in on a connection that is closing', async () => {
    const { channels, connection, signIn } = await setUp({});
    connection.close();

    await expect(signIn.authenticate(connection, request)).rejects.toMatchObject({ code: 'CONFLICT' });

    expect(channels.counts).toEqual({ connected: 0, known: 0 });
  });

  it('gives a connection to one of two sign-ins at the same time', async () => {
    const { connection, signIn } = await setUp({});

    const outcomes = await Promise.allSettled([
      signIn.authenticate(connection, request),
      signIn.authenticate(connection, request),
    ]);

    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(connection.device).toEqual({ caller, hasAccount: true });
  });
});
