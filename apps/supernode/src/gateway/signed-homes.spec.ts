import { describe, expect, it } from '@jest/globals';
import { decodePayload, homesSchema, type EventOf } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { HomesSigner } from '../identity/homes-signer.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { MemoryKeyring, startedIdentity } from '../identity/testing/identity-fixtures.ts';
import { Connection } from './connection.ts';
import { SignedHomes } from './signed-homes.ts';
import { MovableRoster } from './testing/movable-ownership.ts';

const ada = callerNamed('ada');

describe('SignedHomes', () => {
  it('tells who signed in while the supernode was alone when another one joins, once', async () => {
    const keyring = new MemoryKeyring();
    const time = new ManualTime();
    const signer = new HomesSigner(
      await startedIdentity(keyring),
      keyring,
      time,
      time,
      new BackgroundTasks(),
    );
    await signer.onModuleInit();
    const roster = new MovableRoster();
    const first = roster.join('first');
    const homes = new SignedHomes(first, first.homes, signer);
    const told: unknown[] = [];
    const transport = {
      emit: (_event: string, payload: unknown) => void told.push(payload),
      close: () => undefined,
    };
    const connection = new Connection('192.0.2.1', transport, time);
    connection.device = { caller: ada, hasAccount: true };

    expect(homes.for(connection, ada)).toBeNull();
    homes.refresh(connection);
    expect(told).toEqual([]);

    const second = roster.join('second');
    for (let heartbeat = 0; heartbeat < 3; heartbeat += 1) homes.refresh(connection);

    expect(told).toHaveLength(1);
    const [signed] = (told[0] as EventOf<'homes.changed'>).homes;
    expect(decodePayload(homesSchema, signed!)?.homes).toEqual([first.edge, second.edge]);
  });
});
