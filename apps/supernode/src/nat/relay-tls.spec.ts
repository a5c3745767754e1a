import { describe, expect, it } from '@jest/globals';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { SupernodeError } from '../errors.ts';
import type { RelayCommand } from './relay-messages.ts';
import { RelayTls } from './relay-tls.ts';
import type { TlsSettings } from './tls-front.ts';

const SETTINGS: TlsSettings = {
  hosts: ['0.0.0.0'],
  visible: ['203.0.113.1'],
  port: 0,
  certFile: 'cert.pem',
  keyFile: 'key.pem',
  limits: { connections: 1, connectionsPerSource: 1 },
  inlet: { at: { path: '/inlet' }, secret: new Uint8Array(32) },
};
const BOUND = [{ address: '0.0.0.0', port: 4443, host: 'relay.example.org' }];

function newTls() {
  const commands: RelayCommand[] = [];
  const logged: unknown[] = [];
  const note = (...line: unknown[]): void => void logged.push(line);
  const logger = { debug: note, info: note, warn: note, error: note };
  const time = new ManualTime();
  return { tls: new RelayTls((command) => commands.push(command), logger, time), commands, logged, time };
}

describe('RelayTls', () => {
  it('opens the port once, and again in every later thread at the port that clients know', async () => {
    const { tls, commands } = newTls();
    const opening = tls.open(SETTINGS);
    tls.receive({ kind: 'tls-ready', listeners: BOUND });

    expect(await opening).toEqual(BOUND);
    expect(tls.bound).toEqual(BOUND);
    tls.replay();
    expect(commands).toEqual([
      { kind: 'open-tls', settings: SETTINGS },
      { kind: 'open-tls', settings: { ...SETTINGS, port: 4443 } },
    ]);
  });

  it('asks a thread for nothing before somebody asked for the port', () => {
    const { tls, commands } = newTls();

    tls.replay();

    expect(commands).toEqual([]);
  });

  it('rejects where the first thread cannot open it, and logs where a later one cannot', async () => {
    const { tls, logged } = newTls();
    const opening = tls.open(SETTINGS);
    const failure = { kind: 'tls-failed', code: 'SN_LISTEN_FAILED', message: 'the port is in use' } as const;

    tls.receive(failure);
    await expect(opening).rejects.toMatchObject({ code: 'SN_LISTEN_FAILED' });
    await expect(opening).rejects.toBeInstanceOf(SupernodeError);
    tls.receive(failure);

    expect(logged).toMatchObject([
      [{ reason: 'the port is in use' }, expect.stringContaining('no TLS port')],
    ]);
  });

  it('tries again where a later thread cannot open it, once per failure', async () => {
    const { tls, commands, time } = newTls();
    const opening = tls.open(SETTINGS);
    tls.receive({ kind: 'tls-ready', listeners: BOUND });
    await opening;
    tls.replay();
    tls.receive({ kind: 'tls-failed', code: 'SN_TLS_INVALID', message: 'no such file' });
    await time.advance(4999);
    expect(commands).toHaveLength(2);
    await time.advance(1);
    expect(commands).toHaveLength(3);

    // A new thread meanwhile is told at once, and not a second time.
    tls.receive({ kind: 'tls-failed', code: 'SN_TLS_INVALID', message: 'no such file' });
    tls.replay();
    await time.advance(60_000);
    expect(commands).toHaveLength(4);

    tls.receive({ kind: 'tls-failed', code: 'SN_TLS_INVALID', message: 'no such file' });
    tls.close();
    await time.advance(60_000);
    expect(commands).toHaveLength(4);
  });
});
