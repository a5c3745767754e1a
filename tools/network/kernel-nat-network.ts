import type { ChildProcess } from 'node:child_process';
import { createLab, type Lab, type NatBehaviour } from '@parley/test/natlab';
import type { Machine, Network, PacketCounts } from './network.ts';

/** The public range of the lab is a special-purpose one, which relays refuse by default. */
const LAB_NETWORK = '198.18.0.0/15';

/** Each client behind a real kernel NAT of its own, the supernode on a public address between them. */
export class KernelNatNetwork implements Network {
  readonly lab = 'kernel-nat';
  readonly includeLoopback = false;
  readonly policy = 'any';
  readonly supernodeEnvironment: Readonly<Record<string, string>>;
  readonly #lab: Lab;

  private constructor(
    lab: Lab,
    readonly description: string,
  ) {
    this.#lab = lab;
    const [address] = lab.server.addresses;
    this.supernodeEnvironment = {
      SUPERNODE_HOST: address,
      SUPERNODE_PUBLIC_ADDRESS: address,
      SUPERNODE_RELAY_ALLOW_PEERS: LAB_NETWORK,
    };
  }

  /** `linkDelayMs`: how long a packet takes from one machine on the public network to another, one way. */
  static async create(
    behaviour: NatBehaviour,
    description: string,
    { linkDelayMs = 0 }: { readonly linkDelayMs?: number } = {},
  ): Promise<KernelNatNetwork> {
    const lab = await createLab({ sides: [{ behaviour }, { behaviour }], linkDelayMs });
    return new KernelNatNetwork(lab, description);
  }

  spawn(machine: Machine, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
    const [a, b] = this.#lab.sides;
    const [phone, tablet] = b?.clients ?? [];
    const hosts = { supernode: 'srv', alice: a?.clients[0]?.host, bob: phone?.host, tablet: tablet?.host };
    const host = hosts[machine] ?? 'srv';
    return this.#lab.spawn(host, process.execPath, args, {
      env,
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
  }

  async packets(): Promise<PacketCounts> {
    const { viaServer, direct } = await this.#lab.counters();
    return { viaSupernode: viaServer.packets, direct: direct.packets };
  }

  close(): Promise<void> {
    return this.#lab.close();
  }
}
