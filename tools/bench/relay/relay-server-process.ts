import { formatTimeLimitedUsername, timeLimitedPassword } from '@parley/nat';
import { nodeCrypto, TurnServerDriver } from '@parley/nat/node';
import { serveCommands } from '../../processes/serve-commands.ts';
import { cpuTimer } from '../cpu-timer.ts';
import type { RelayServerCommands } from './relay-server-commands.ts';

const SECRET = 'secret of the benchmark';
const OWNERS = ['sender', 'receiver'] as const;

/** Entry point of a process with nothing but the relay, so that its processor time is the relay's. */
const opening = TurnServerDriver.open({
  listen: [{ address: '127.0.0.1', port: 0 }],
  turn: { realm: 'bench', relay: { ipv4: { bind: '127.0.0.1' } }, allowPeers: ['127.0.0.0/8'] },
  flow: { limits: { bytesPerSecond: 1e12 } },
});
const cpuMs = cpuTimer();

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const total = (drops: object): number =>
  Object.values(drops).reduce((sum: number, count) => sum + Number(count), 0);

serveCommands<RelayServerCommands>({
  admit: async () => {
    const driver = await opening;
    driver.control({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });
    const flows = OWNERS.map((owner) => {
      const flow = { flowId: nodeCrypto.randomBytes(8), key: nodeCrypto.randomBytes(32) };
      driver.controlFlows({ kind: 'open-flow', owner, ...flow });
      return { flowId: base64(flow.flowId), key: base64(flow.key) };
    });
    const relayId = nodeCrypto.randomBytes(8);
    // Relays of former rounds stay until they are idle for minutes.
    driver.controlFlows({ kind: 'open-relay-pair', relayId, owners: OWNERS });
    const username = formatTimeLimitedUsername({
      expiresAtEpochSeconds: Math.floor(Date.now() / 1000) + 3600,
      credentialId: 'bench',
    });
    const password = timeLimitedPassword(nodeCrypto, SECRET, username);
    return {
      port: driver.listeners[0]?.primary.port ?? 0,
      username,
      password,
      flows,
      relayId: base64(relayId),
    };
  },
  cost: async () => {
    const { turn, flow } = (await opening).stats();
    return { cpuMs: cpuMs(), drops: total(turn.drops) + total(flow.drops) };
  },
});
