import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Network, PacketCounts } from '../network/network.ts';
import { RemoteProcess } from '../processes/remote-process.ts';
import { startSupernode } from '../processes/supernode-process.ts';
import type { EdgeCommands, PathChange, SessionReceived, VoiceSent } from './edge/edge-messages.ts';
import { writeSampleFile } from './media/sample-file.ts';
import type { Narrator } from './narrator.ts';
import type { ScenarioResult } from './result.ts';

const EDGE_ENTRY = fileURLToPath(new URL('./edge/edge-process.js', import.meta.url));
/** Beside the sources: the build copies no audio. */
const VOICE = fileURLToPath(new URL('../../demo/media/voice.wav', import.meta.url));
const VOICE_RATE = 16_000;
const FILE_BYTES = 20_000_000;
/**
 * The file follows when the path has long changed: a stream that looks for the speed of its path loses packets by that, and with
 * them frames, which would be taken for losses of the change.
 */
const FILE_AFTER_MS = 4_000;
/** One second either way of the switch, in frames of 20 ms. */
const FRAMES_AROUND_SWITCH = 50;

export interface Scenario {
  readonly name: ScenarioResult['name'];
  readonly expectedPath: 'direct' | 'relayed';
}

type EdgeRemote = RemoteProcess<EdgeCommands>;

interface Pair {
  readonly alice: EdgeRemote;
  readonly bob: EdgeRemote;
}

interface Acquainted extends Pair {
  readonly bobId: string;
}

/** Runs one scenario from empty folders to the end; the result says whether everything held. */
export async function runScenario(
  scenario: Scenario,
  network: Network,
  narrator: Narrator,
): Promise<{ ok: boolean; result: ScenarioResult }> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-demo-'));
  const remotes: EdgeRemote[] = [];
  const startEdge = (name: 'alice' | 'bob'): EdgeRemote => {
    const child = network.spawn(name, [EDGE_ENTRY], process.env);
    child.stdout?.pipe(process.stderr);
    const remote = new RemoteProcess<EdgeCommands>(name, child);
    remotes.push(remote);
    return remote;
  };
  const supernode = await startSupernode(network, join(folder, 'supernode'));
  try {
    narrator.say(`supernode ready at ${supernode.url}`);
    const pair = { alice: startEdge('alice'), bob: startEdge('bob') };
    for (const remote of [pair.alice, pair.bob]) {
      const dataDir = join(folder, remote.name);
      await remote.run('open', { url: supernode.url, dataDir, includeLoopback: network.includeLoopback });
    }
    const acquainted = await getAcquainted(pair, narrator);
    const packets = () =>
      network.packets({
        relayedBySupernode: () => supernode.relayedDatagrams(),
        receivedByClients: async () => {
          const received = await Promise.all(remotes.map((remote) => remote.run('packetsReceived', null)));
          return received.reduce((sum, count) => sum + count, 0);
        },
      });
    return await talk({ ...acquainted, scenario, policy: network.policy, folder, narrator, packets });
  } finally {
    await Promise.all(remotes.map((remote) => remote.stop()));
    const code = await supernode.stop();
    narrator.say(`supernode stopped with exit code ${code ?? 'none'}`);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Registration, contacts, presence and look-up: all that two strangers need before they can talk. */
async function getAcquainted({ alice, bob }: Pair, narrator: Narrator): Promise<Acquainted> {
  const [aliceAccount, bobAccount] = await Promise.all([
    alice.run('register', { handle: 'alice', displayName: 'Alice' }),
    bob.run('register', { handle: 'bob', displayName: 'Bob' }),
  ]);
  narrator.say(
    `Alice and Bob registered, each in a process of its own (${bobAccount.ms.toFixed(0)} ms of puzzle and keys)`,
  );
  await Promise.all([alice.run('connect', null), bob.run('connect', null)]);

  const found = await alice.run('lookup', { handle: 'bob' });
  await alice.run('requestContact', { userId: found.userId });
  await bob.run('waitForRequest', { userId: aliceAccount.userId });
  await bob.run('acceptContact', { userId: aliceAccount.userId });
  await alice.run('waitForContact', { userId: found.userId });
  narrator.say(`Alice looked "bob" up, asked to be a contact, and ${found.displayName ?? 'Bob'} agreed`);

  await bob.run('watch', { userId: aliceAccount.userId });
  await alice.run('watch', { userId: found.userId });
  await bob.run('setPresence', { state: 'busy', statusText: 'waiting for Alice' });
  const seen = await alice.run('waitForPresence', { userId: found.userId, state: 'busy' });
  await bob.run('waitForPresence', { userId: aliceAccount.userId, state: 'online' });
  const back = await bob.run('lookup', { handle: 'alice' });
  narrator.say(
    `Alice sees Bob busy ("${seen.statusText ?? ''}"), Bob sees Alice online and looked her up as ${back.displayName ?? '?'}`,
  );
  return { alice, bob, bobId: found.userId };
}

interface Talk extends Acquainted {
  readonly scenario: Scenario;
  readonly policy: Network['policy'];
  readonly folder: string;
  readonly narrator: Narrator;
  readonly packets: () => Promise<PacketCounts>;
}

/** The session itself: voice while the path may change below, and then a file beside it. */
async function talk({
  alice,
  bob,
  bobId,
  scenario,
  policy,
  folder,
  narrator,
  packets,
}: Talk): Promise<{ ok: boolean; result: ScenarioResult }> {
  const source = join(folder, 'film.bin');
  const inbox = join(folder, 'inbox');
  await mkdir(inbox);
  const { sha256 } = await writeSampleFile(source, FILE_BYTES);

  const before = await packets();
  const taken = bob.run('takeSession', { into: inbox });
  const { setupMs } = await alice.run('openSession', { userId: bobId, policy });
  await taken;
  narrator.say(
    `session open after ${setupMs.toFixed(0)} ms: end-to-end encrypted, keys of both devices verified`,
  );

  const [voice] = await Promise.all([
    alice.run('streamVoice', { wav: VOICE }),
    sendFile(alice, source, narrator),
  ]);
  const record = { expectedFrames: voice.frames, record: join(folder, 'heard.wav'), sampleRate: VOICE_RATE };
  const received = await bob.run('received', record);
  const after = await packets();
  const paths = await alice.run('paths', null);
  await Promise.all([alice.run('close', null), bob.run('close', null)]);

  const path = pathOf(paths.at(-1)?.path);
  const upgradeMs = paths.find((change) => change.path === 'direct')?.atMs ?? null;
  const result: ScenarioResult = {
    name: scenario.name,
    path,
    setupMs: Math.round(setupMs),
    upgradeMs: upgradeMs === null ? null : Math.round(upgradeMs),
    file: { bytes: received.file?.bytes ?? 0, sha256Match: received.file?.sha256 === sha256 },
    voice: { framesSent: voice.framesSent, framesReceived: received.framesReceived },
    packets: { viaSupernode: after.viaSupernode - before.viaSupernode, direct: after.direct - before.direct },
  };
  return { ok: judge(scenario, result, { voice, received, paths }, narrator), result };
}

async function sendFile(alice: EdgeRemote, path: string, narrator: Narrator): Promise<void> {
  await delay(FILE_AFTER_MS);
  const { ms } = await alice.run('sendFile', { path });
  narrator.say(`file of ${FILE_BYTES / 1e6} MB sent in ${(ms / 1000).toFixed(1)} s beside the voice`);
}

interface Observed {
  readonly voice: VoiceSent;
  readonly received: SessionReceived;
  readonly paths: readonly PathChange[];
}

/** Says what held and what did not. A lost frame anywhere but around the switch is told, and fails nothing. */
function judge(scenario: Scenario, result: ScenarioResult, observed: Observed, narrator: Narrator): boolean {
  const { file, voice, packets, upgradeMs } = result;
  const { received, paths } = observed;
  const lostAtSwitch = lostAroundSwitch(observed);
  const history = paths.map((change) => `${change.path} at ${change.atMs.toFixed(0)} ms`).join(', ');
  narrator.say(`path: ${history}`);
  const checks = [
    narrator.check(
      result.path === scenario.expectedPath,
      `the session ended on the ${scenario.expectedPath} path`,
    ),
    narrator.check(paths.find(({ path }) => path !== 'none')?.path === 'relayed', 'it started on the relay'),
    narrator.check(
      file.sha256Match && file.bytes === FILE_BYTES,
      "the file on Bob's disk has the hash of the one on Alice's",
    ),
    narrator.check(
      voice.framesSent === observed.voice.frames && received.framesRejected === 0,
      `${voice.framesReceived} of ${voice.framesSent} voice frames arrived (20 ms each, 16 kHz)`,
    ),
  ];
  if (scenario.expectedPath === 'direct') {
    checks.push(
      narrator.check(
        upgradeMs !== null,
        `it moved to the direct path ${upgradeMs?.toFixed(0) ?? '?'} ms after openSession`,
      ),
      narrator.check(
        lostAtSwitch.length === 0,
        'no voice frame was lost in the two seconds around the switch',
      ),
      narrator.check(
        packets.direct > packets.viaSupernode,
        `${packets.direct} packets went directly, ${packets.viaSupernode} through the supernode`,
      ),
    );
  } else {
    checks.push(
      narrator.check(
        packets.direct === 0,
        `${packets.viaSupernode} packets went through the supernode, ${packets.direct} directly`,
      ),
    );
  }
  return checks.every(Boolean);
}

/** A session that switched before the first frame has nothing to lose before frame 0. */
function lostAroundSwitch({ voice, received }: Observed): number[] {
  const at = voice.sequenceAtSwitch ?? 0;
  const [from, to] = [at - FRAMES_AROUND_SWITCH, at + FRAMES_AROUND_SWITCH];
  return received.missingSequences.filter((sequence) => sequence >= from && sequence < to);
}

function pathOf(path: string | undefined): ScenarioResult['path'] {
  return path === 'direct' || path === 'relayed' ? path : 'none';
}
