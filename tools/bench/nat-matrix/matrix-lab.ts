import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createLab, type Lab, type MappingChurn, type SideOptions } from '@parley/test/natlab';
import { RemoteProcess } from '../../processes/remote-process.ts';
import { startSupernode, type SupernodeProcess } from '../../processes/supernode-process.ts';
import type { ClientCommands } from '../client/client-commands.ts';
import { CARRIERS, SITES, type SiteKind } from './site-kinds.ts';

const CLIENT_ENTRY = fileURLToPath(new URL('../client/client-process.js', import.meta.url));
/** The public ranges of the lab are special-purpose ones, which relays refuse by default. */
const LAB_NETWORKS = '198.18.0.0/15,2001:2::/48';
const SERVER_IPV6 = '2001:2::10';
const EDGE_PORT = 8080;
const TLS_PORT = 443;
/** The second machine of each site opens mappings when a scenario wants it. */
const CLIENTS_PER_SITE = 2;

/** One network of the matrix, made as often as pairs need it. */
export interface MatrixSite {
  readonly kind: SiteKind;
  readonly number: 1 | 2;
}

/** A machine on one of them: the first or the second. */
export interface MatrixMachine extends MatrixSite {
  readonly machine: 1 | 2;
}

/** An edge client in a process of its own, kept for the whole benchmark; each session has new sockets. */
export interface MatrixClient {
  readonly process: RemoteProcess<ClientCommands>;
  readonly dataDir: string;
  readonly url: string;
}

function siteKey({ kind, number }: MatrixSite): string {
  return `${kind}-${number}`;
}

/** All networks of the matrix around one supernode, in one lab. */
export class MatrixLab {
  readonly #lab: Lab;
  /** By site, the name of the lab's side. */
  readonly #sides: ReadonlyMap<string, string>;
  readonly #supernode: SupernodeProcess;
  readonly #folder: string;
  readonly #certificate: string;
  readonly #clients = new Map<string, MatrixClient>();
  readonly #acquainted = new Set<string>();

  private constructor(
    lab: Lab,
    sides: ReadonlyMap<string, string>,
    supernode: SupernodeProcess,
    folder: string,
  ) {
    this.#lab = lab;
    this.#sides = sides;
    this.#supernode = supernode;
    this.#folder = folder;
    this.#certificate = certificateIn(folder);
  }

  static async create(sites: readonly MatrixSite[]): Promise<MatrixLab> {
    const distinct = [...new Map(sites.map((site) => [siteKey(site), site])).values()];
    const lab = await createLab({ sides: distinct.map(sideOf), carriers: CARRIERS });
    const names = new Map(distinct.map((site, index) => [siteKey(site), lab.sides[index]?.name ?? '']));
    const folder = await mkdtemp(join(tmpdir(), 'parley-matrix-'));
    try {
      const supernode = await startSupernodeIn(lab, folder);
      return new MatrixLab(lab, names, supernode, folder);
    } catch (thrown) {
      await lab.close();
      await rm(folder, { recursive: true, force: true });
      throw thrown;
    }
  }

  /** The clients on two machines, signed up, known to each other, and not connected. */
  async acquaint(first: MatrixMachine, second: MatrixMachine): Promise<[MatrixClient, MatrixClient]> {
    const [one, other] = [this.#client(first), this.#client(second)];
    const key = [one.process.name, other.process.name].sort().join(' ');
    if (!this.#acquainted.has(key)) {
      const [oneId, otherId] = await Promise.all([joinAnew(one), joinAnew(other)]);
      await one.process.run('request', { userId: otherId });
      await other.process.run('accept', { userId: oneId });
      await one.process.run('waitForContact', { userId: otherId });
      await Promise.all([leave(one), leave(other)]);
      this.#acquainted.add(key);
    }
    return [one, other];
  }

  /** IP packets of any kind that passed the supernode's interface so far. */
  async packetsAtSupernode(): Promise<number> {
    const { stun, relay, tcp } = await this.#lab.serverTraffic();
    return [stun, relay, tcp].reduce((sum, { in: into, out }) => sum + into.packets + out.packets, 0);
  }

  /**
   * To be called while nobody there is connected. A NAT holds mappings for minutes, and systems give the ports of closed sockets to
   * new ones: after some hundred sessions a new socket would now and then leave from an old mapping.
   */
  async forgetMappings(sites: readonly MatrixSite[]): Promise<void> {
    const names = new Set(sites.map((site) => this.#sides.get(siteKey(site)) ?? ''));
    await Promise.all([...names].map((name) => this.#lab.forgetMappings(name)));
  }

  /** Lets the second machine of a site open mappings. */
  openMappings(site: MatrixSite, perSecond: number): MappingChurn {
    return this.#lab.openMappings(this.#host({ ...site, machine: 2 }), { perSecond });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.process.stop()));
    await this.#supernode.stop();
    await this.#lab.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #host(at: MatrixMachine): string {
    return `${this.#sides.get(siteKey(at)) ?? ''}${at.machine}`;
  }

  #client(at: MatrixMachine): MatrixClient {
    const host = this.#host(at);
    const known = this.#clients.get(host);
    if (known) return known;
    const child = this.#lab.spawn(host, process.execPath, [CLIENT_ENTRY], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: this.#certificate },
      stdio: ['ignore', process.stderr, 'inherit', 'ipc'],
    });
    const [address] = this.#lab.server.addresses;
    const client: MatrixClient = {
      process: new RemoteProcess(`${siteKey(at)}.${at.machine}`, child),
      dataDir: join(this.#folder, host),
      url: at.kind === 'udp-blocked' ? `https://${address}:${TLS_PORT}` : `http://${address}:${EDGE_PORT}`,
    };
    this.#clients.set(host, client);
    return client;
  }
}

/** Connects with sockets that no NAT has seen before; the id of the user. */
export async function joinAnew({ process: client, url, dataDir }: MatrixClient): Promise<string> {
  const { userId } = await client.run('join', { url, dataDir, handle: client.name, includeLoopback: false });
  return userId;
}

/** Closes its sockets. */
export async function leave({ process: client }: MatrixClient): Promise<void> {
  await client.run('leave', null);
}

function sideOf({ kind }: MatrixSite): SideOptions {
  return { ...SITES[kind].side, clients: CLIENTS_PER_SITE };
}

function certificateIn(folder: string): string {
  return join(folder, 'supernode.crt');
}

async function startSupernodeIn(lab: Lab, folder: string): Promise<SupernodeProcess> {
  const [address, alternate] = lab.server.addresses;
  const key = join(folder, 'supernode.key');
  const subject = ['-subj', '/CN=supernode', '-addext', `subjectAltName=IP:${address}`];
  const files = ['-keyout', key, '-out', certificateIn(folder)];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await promisify(execFile)('openssl', ['req', ...kind, ...subject, ...files]);
  const hasIpv6 = lab.sides.some(({ ipv6 }) => ipv6 !== undefined);
  return startSupernode(
    {
      supernodeEnvironment: {
        SUPERNODE_HOST: hasIpv6 ? `${address},${SERVER_IPV6}` : address,
        SUPERNODE_PUBLIC_ADDRESS: address,
        SUPERNODE_ALT_ADDRESS: alternate,
        SUPERNODE_RELAY_ALLOW_PEERS: LAB_NETWORKS,
        SUPERNODE_EDGE_PORT: String(EDGE_PORT),
        SUPERNODE_TLS_PORT: String(TLS_PORT),
        SUPERNODE_TLS_CERT: certificateIn(folder),
        SUPERNODE_TLS_KEY: key,
        SUPERNODE_PUZZLE_BITS: '0',
      },
      spawn: (_machine, args, env) =>
        lab.spawn(lab.server.host, process.execPath, args, {
          env,
          stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
        }),
    },
    join(folder, 'supernode'),
  );
}
