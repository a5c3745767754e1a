import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { administrationEnvironment } from '../natlab/administration.ts';
import type { Lab } from '../natlab/lab.ts';
import type { LabSide } from '../natlab/topology.ts';

/** Outside addresses: miniupnpd gives out no ports on the special-purpose ones of the lab. They exist in its namespaces only. */
const OUTSIDE_PREFIX = '192.0.1.';

const START_TIMEOUT_MS = 10_000;
const MAX_LINES = 40;
const TABLE = `table inet gateway {
  chain upnp_forward { }
  chain upnp_prerouting { }
  chain upnp_postrouting { }
  chain prerouting {
    type nat hook prerouting priority dstnat - 5;
    jump upnp_prerouting
  }
}
`;

export interface GatewayProtocols {
  /** PCP and NAT-PMP, which miniupnpd does not offer one without the other. */
  readonly pcp: boolean;
  readonly upnp: boolean;
}

/** miniupnpd on the router of a side, as home routers run it. */
export class GatewayDaemon {
  readonly #lab: Lab;
  readonly #side: LabSide;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(lab: Lab, side: LabSide, child: ChildProcess, folder: string) {
    this.#lab = lab;
    this.#side = side;
    this.#child = child;
    this.#folder = folder;
  }

  static async start(lab: Lab, side: LabSide, protocols: GatewayProtocols): Promise<GatewayDaemon> {
    await prepare(lab, side);
    const folder = await mkdtemp(join(tmpdir(), 'parley-gateway-'));
    const config = join(folder, 'miniupnpd.conf');
    await writeFile(config, configuration(folder, outsideAddressOf(lab, side), protocols));
    const child = lab.spawn(side.router, 'miniupnpd', ['-d', '-f', config, '-P', join(folder, 'pid')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: administrationEnvironment(),
    });
    await said(child, protocols.pcp ? /Listening for NAT-PMP\/PCP/ : /HTTP listening on/);
    return new GatewayDaemon(lab, side, child, folder);
  }

  /** Outside ports that are mapped now, by the rules in the kernel. */
  async mappedPorts(): Promise<readonly number[]> {
    const rules = await run(this.#lab, this.#side.router, 'nft', [
      'list',
      'chain',
      'inet',
      'gateway',
      'upnp_prerouting',
    ]);
    return [...rules.matchAll(/dport (\d+).* dnat /g)].map(([, port]) => Number(port));
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await ended;
    }
    await run(this.#lab, this.#side.router, 'nft', ['delete', 'table', 'inet', 'gateway']);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function prepare(lab: Lab, side: LabSide): Promise<void> {
  await run(lab, side.router, 'nft', ['-f', '-'], TABLE);
  const outside = outsideAddressOf(lab, side);
  await run(lab, side.router, 'ip', ['address', 'replace', `${outside}/32`, 'dev', 'wan']);
  const others = lab.sides.filter(({ router }) => router !== side.router);
  await Promise.all(
    others.map(({ router }) =>
      run(lab, router, 'ip', ['route', 'replace', `${outside}/32`, 'via', side.wanAddress]),
    ),
  );
}

function outsideAddressOf(lab: Lab, side: LabSide): string {
  return `${OUTSIDE_PREFIX}${lab.sides.indexOf(side) + 1}`;
}

function configuration(folder: string, outside: string, { pcp, upnp }: GatewayProtocols): string {
  const yes = (on: boolean): string => (on ? 'yes' : 'no');
  return [
    'ext_ifname=wan',
    `ext_ip=${outside}`,
    'listening_ip=lan',
    'ipv6_disable=yes',
    `enable_natpmp=${yes(pcp)}`,
    `enable_upnp=${yes(upnp)}`,
    'secure_mode=yes',
    `lease_file=${join(folder, 'leases')}`,
    'upnp_table_name=gateway',
    'upnp_nat_table_name=gateway',
    'upnp_forward_chain=upnp_forward',
    'upnp_nat_chain=upnp_prerouting',
    'upnp_nat_postrouting_chain=upnp_postrouting',
    'allow 1024-65535 0.0.0.0/0 1024-65535',
    '',
  ].join('\n');
}

/** Resolves when the daemon has said so: it listens from then on. */
function said(child: ChildProcess, expected: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    const fail = (): void => reject(new TypeError(`miniupnpd did not start: ${lines.join('\n')}`));
    const timer = setTimeout(fail, START_TIMEOUT_MS);
    child.once('error', reject);
    child.once('exit', fail);
    createInterface(child.stderr!).on('line', (line) => {
      if (lines.length < MAX_LINES) lines.push(line);
      if (!expected.test(line)) return;
      clearTimeout(timer);
      child.off('exit', fail);
      resolve();
    });
  });
}

async function run(
  lab: Lab,
  host: string,
  command: string,
  args: readonly string[],
  input = '',
): Promise<string> {
  // A program that reads nothing may be gone before the end of its input is told: that would be a broken pipe.
  const stdin = input === '' ? 'ignore' : 'pipe';
  const env = administrationEnvironment();
  const child = lab.spawn(host, command, args, { stdio: [stdin, 'pipe', 'pipe'], env });
  let said = '';
  child.stdout?.on('data', (text: Buffer) => (said += text.toString()));
  child.stderr?.on('data', (text: Buffer) => (said += text.toString()));
  child.stdin?.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new TypeError(`${command} on ${host} ended with ${String(code)}: ${said}`);
  return said;
}
