import { execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { NetcheckReport } from '@parley/edge-client';
import { labAvailability } from '../natlab/availability.ts';
import type { NatBehaviour } from '../natlab/behaviour.ts';
import { createLab, type Lab } from '../natlab/lab.ts';
import { startSupernode } from './start-supernode.ts';

jest.setTimeout(120_000);
const CLIENT = fileURLToPath(new URL('blocked-udp-client.mjs', import.meta.url));
/** The public range of the lab is a special-purpose one, which relays refuse by default. */
const LAB_NETWORK = '198.18.0.0/15';
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
});

type Reply = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });

/** A client on a machine of the lab. */
class LabClient {
  userId = '';
  #count = 0;

  constructor(readonly child: ChildProcess) {}

  async run<Result>(command: string, params: Readonly<Record<string, unknown>> = {}): Promise<Result> {
    this.#count += 1;
    const id = this.#count;
    const answer = new Promise<Result>((resolve, reject) => {
      const listen = (reply: Reply): void => {
        if (reply.id !== id) return;
        this.child.off('message', listen);
        if ('error' in reply) reject(new RangeError(reply.error));
        else resolve(reply.result as Result);
      };
      this.child.on('message', listen);
    });
    this.child.send({ id, command, params });
    return answer;
  }
}

/** A lab with a supernode on 443 that two clients have joined, each behind its own NAT, as contacts. */
async function twoClients(
  behaviours: readonly [NatBehaviour, NatBehaviour, ...NatBehaviour[]],
): Promise<{ readonly lab: Lab; readonly clients: readonly [LabClient, LabClient] }> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-blocked-'));
  closing.push(() => rm(folder, { recursive: true, force: true }));
  const lab = await createLab({ sides: behaviours.map((behaviour) => ({ behaviour, clients: 1 })) });
  closing.push(() => lab.close());
  const [address] = lab.server.addresses;
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=supernode', '-addext', `subjectAltName=IP:${address}`, '-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  );
  const supernode = await startSupernode({
    dataDir: folder,
    spawn: (command, args, options) => lab.spawn(lab.server.host, command, args, options),
    env: {
      SUPERNODE_HOST: address,
      SUPERNODE_PUBLIC_ADDRESS: address,
      SUPERNODE_STUN_PORT: '3478',
      SUPERNODE_STUN_ALT_PORT: '3479',
      SUPERNODE_TLS_PORT: '443',
      SUPERNODE_TLS_CERT: cert,
      SUPERNODE_TLS_KEY: key,
      SUPERNODE_RELAY_ALLOW_PEERS: LAB_NETWORK,
      SUPERNODE_PUZZLE_BITS: '0',
    },
  });
  closing.push(() => supernode.halt());
  const clients = await Promise.all(
    lab.sides.slice(0, 2).map(async ({ clients: [machine] }, at) => {
      const child = lab.spawn(machine?.host ?? '', process.execPath, [CLIENT], {
        env: { ...process.env, NODE_EXTRA_CA_CERTS: cert },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      closing.push(async () => {
        child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      });
      const client = new LabClient(child);
      const handle = at === 0 ? 'alice' : 'bobby';
      client.userId = await client.run('join', {
        url: `https://${address}`,
        dataDir: join(folder, handle),
        handle,
      });
      return client;
    }),
  );
  const [alice, bob] = clients as [LabClient, LabClient];
  await alice.run('request', { userId: bob.userId });
  await bob.run('accept', { userId: alice.userId });
  await alice.run('known', { userId: bob.userId });
  return { lab, clients: [alice, bob] };
}

function suite(): void {
  it.each<[NatBehaviour, NatBehaviour]>([
    ['udp-blocked', 'udp-blocked'],
    ['udp-blocked', 'endpoint-independent/address-and-port-dependent'],
    ['address-and-port-dependent/random-ports', 'udp-blocked'],
  ])('connects %s with %s, both ways, over the TLS port', async (first, second) => {
    const { lab, clients } = await twoClients([first, second]);
    const [alice, bob] = clients;

    const answering = bob.run<string>('answer');
    const { answer, path } = await alice.run<{ answer: string; path: string }>('ask', {
      userId: bob.userId,
      question: 'through the one port?',
    });

    expect(answer).toBe('THROUGH THE ONE PORT?');
    expect([path, await answering]).toEqual(['relayed', 'relayed']);
    expect((await lab.counters()).direct.packets).toBe(0);
  });

  it('keeps a session through a move into a network that blocks UDP, and back out of it', async () => {
    const { lab, clients } = await twoClients([
      'endpoint-independent/address-and-port-dependent',
      'endpoint-independent/address-and-port-dependent',
      'udp-blocked',
    ]);
    const [alice, bob] = clients;
    const ask = (question: string): Promise<{ answer: string; path: string }> =>
      alice.run('ask', { userId: bob.userId, question });
    void bob.run('answer');
    const host = lab.sides[0]?.clients[0]?.host ?? '';

    expect((await ask('at home?')).answer).toBe('AT HOME?');
    await lab.move(host, 'c');
    expect(await ask('in the office?')).toEqual({ answer: 'IN THE OFFICE?', path: 'relayed' });
    await lab.move(host, 'a');
    expect((await ask('home again?')).answer).toBe('HOME AGAIN?');
  });

  it('says in a network check that UDP is blocked and that TURN over TLS works', async () => {
    const { clients } = await twoClients(['udp-blocked', 'none']);

    const [blocked, open] = await Promise.all(
      clients.map((client) => client.run<NetcheckReport>('netcheck')),
    );

    expect(blocked?.ipv4?.udp).toBe('blocked');
    expect(blocked?.relay).toMatchObject({ error: 'not-allocated' });
    expect(blocked?.relayOverTls).toMatchObject({ port: 443, roundTripMs: expect.any(Number) });
    expect(open?.relay).toMatchObject({ roundTripMs: expect.any(Number) });
    expect(open?.relayOverTls).toMatchObject({ roundTripMs: expect.any(Number) });
  });
}

const availability = labAvailability();
describe('clients where only TCP port 443 is open', () => {
  if (availability.kind === 'kernel-nat') {
    suite();
    return;
  }
  it(`cannot be tried on this machine: ${availability.reason}`, async () => {
    await expect(createLab({ sides: [] })).rejects.toMatchObject({ code: 'LAB_UNAVAILABLE' });
  });
});
