import { spawn, type ChildProcess } from 'node:child_process';
import type { Machine, Network, PacketCounters, PacketCounts } from './network.ts';

/**
 * All on one machine, without NATs. There the direct path always works, so the relayed scenario switches it off. Relayed
 * packets are counted by the supernode, and what the clients got beyond them went directly.
 */
export class LoopbackNetwork implements Network {
  readonly lab = 'loopback';
  readonly includeLoopback = true;
  readonly supernodeEnvironment = {
    SUPERNODE_HOST: '127.0.0.1',
    SUPERNODE_STUN_PORT: '0',
    SUPERNODE_STUN_ALT_PORT: '0',
    SUPERNODE_RELAY_ALLOW_PEERS: '127.0.0.0/8',
  };

  private constructor(
    readonly policy: 'any' | 'relay-only',
    readonly description: string,
  ) {}

  static create(path: 'direct' | 'relayed'): Promise<LoopbackNetwork> {
    const network =
      path === 'direct'
        ? new LoopbackNetwork('any', 'everything on the loopback interface')
        : new LoopbackNetwork('relay-only', 'the loopback interface with the direct path switched off');
    return Promise.resolve(network);
  }

  spawn(_machine: Machine, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
    return spawn(process.execPath, [...args], { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  }

  async packets(participants: PacketCounters): Promise<PacketCounts> {
    const [relayed, received] = await Promise.all([
      participants.relayedBySupernode(),
      participants.receivedByClients(),
    ]);
    return { viaSupernode: relayed, direct: Math.max(0, received - relayed) };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
