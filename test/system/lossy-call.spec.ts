import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CallEnd, VoiceStatistics } from '@parley/edge-client';
import { labAvailability } from '../natlab/availability.ts';
import { createLab, type Lab } from '../natlab/lab.ts';
import { tunUnavailable } from '../natlab/tun-availability.ts';
import { correlation } from './correlation.ts';
import { ParleyCommands } from './parley-commands.ts';
import { startSupernode, type RunningSupernode } from './start-supernode.ts';

const VOICE = fileURLToPath(new URL('../../tools/demo/media/voice.wav', import.meta.url));
const WAV_HEADER_BYTES = 44;
const SAMPLE_RATE = 16_000;

/** On the way between the two, and what of it the receiver may count: of 600 packets, over four standard deviations to each side. */
const LOSS = 0.05;
const LEAST_LOST = 0.014;
const MOST_LOST = 0.09;

/** Other speech reaches 0.3. What is missing from 1 is loss, and pieces that were played faster after a busy machine stood still. */
const LEAST_CORRELATION = 0.8;

/** Two homes, as most callers have them, and where each user sits. */
const HOME = { behaviour: 'endpoint-independent/address-and-port-dependent', clients: 1 } as const;
const MACHINES: Readonly<Record<string, string>> = { alice: 'a1', bobby: 'b1' };
/** The public range of the lab is a special-purpose one, which relays refuse by default. */
const LAB_NETWORK = '198.18.0.0/15';

const availability = labAvailability();
const missing = availability.kind === 'unavailable' ? availability.reason : tunUnavailable();

if (missing !== undefined) {
  describe('calls over links that lose packets', () => {
    it(`cannot be made on this machine: ${missing}`, async () => {
      await expect(createLab({ sides: [], adjustableLinks: true })).rejects.toMatchObject({
        code: 'LAB_UNAVAILABLE',
      });
    });
  });
} else {
  describe('calls over links that lose packets', () => {
    let lab: Lab;
    let supernode: RunningSupernode;
    let folder: string;
    let parley: ParleyCommands;
    let speech: Int16Array;

    beforeAll(async () => {
      speech = await samplesOf(VOICE);
      folder = await mkdtemp(join(tmpdir(), 'parley-lossy-'));
      lab = await createLab({ sides: [HOME, HOME], adjustableLinks: true, lossSeed: 5 });
      const [address, alternate] = lab.server.addresses;
      supernode = await startSupernode({
        spawn: (command, args, options) => lab.spawn(lab.server.host, command, args, options),
        env: {
          SUPERNODE_HOST: address,
          SUPERNODE_PUBLIC_ADDRESS: address,
          SUPERNODE_ALT_ADDRESS: alternate,
          SUPERNODE_STUN_PORT: '3478',
          SUPERNODE_STUN_ALT_PORT: '3479',
          SUPERNODE_RELAY_ALLOW_PEERS: LAB_NETWORK,
          SUPERNODE_PUZZLE_BITS: '0',
        },
      });
      parley = new ParleyCommands({
        url: supernode.url,
        folder,
        spawn: (who, command, args, options) => lab.spawn(MACHINES[who] ?? '', command, args, options),
      });
      await Promise.all([parley.run('alice', 'register', 'alice'), parley.run('bobby', 'register', 'bobby')]);
      await parley.run('alice', 'contacts', 'request', 'bobby');
      await parley.run('bobby', 'contacts', 'accept', 'alice');
    }, 90_000);

    afterAll(async () => {
      await parley.stop();
      await supernode.stop();
      await lab.close();
      await rm(folder, { recursive: true, force: true });
    }, 30_000);

    it('are heard as they were said while 5% get lost', async () => {
      await lab.impair('a', { delayMs: 0, loss: LOSS });
      const recording = join(folder, 'heard.wav');
      const answering = parley.start('bobby', 'answer', '--record', recording, '--once');
      await answering.until('Waiting for calls');

      const called = await parley.run('alice', 'call', 'bobby', '--play', VOICE);
      const answered = await answering.done;

      for (const { json } of [called, answered])
        expect(json).toMatchObject({ ok: true, outcome: 'completed' });
      const voice = voiceOf(answered.json);
      const lost = voice.packetsLost / (voice.packetsLost + voice.packetsReceived);
      expect(lost).toBeGreaterThan(LEAST_LOST);
      expect(lost).toBeLessThan(MOST_LOST);
      expect(voice.framesRecovered).toBeGreaterThan(0);
      expect(voice.mos).toBeGreaterThanOrEqual(3.6);
      const recorded = await samplesOf(recording);
      const heard = correlation(speech, recorded, { sampleRate: SAMPLE_RATE, searchSeconds: 1 });
      expect(heard).toBeGreaterThan(LEAST_CORRELATION);
    }, 120_000);
  });
}

function voiceOf(json: Readonly<Record<string, unknown>>): VoiceStatistics {
  const { voice } = json as unknown as CallEnd;
  if (voice === undefined) throw new TypeError('nothing was heard');
  return voice;
}

async function samplesOf(path: string): Promise<Int16Array> {
  const wav = await readFile(path);
  return new Int16Array(wav.buffer.slice(wav.byteOffset + WAV_HEADER_BYTES, wav.byteOffset + wav.length));
}
