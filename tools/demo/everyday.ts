import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Machine, Network } from '../network/network.ts';
import { RemoteProcess } from '../processes/remote-process.ts';
import { startSupernode, type SupernodeProcess } from '../processes/supernode-process.ts';
import type { EverydayCommands } from './edge/everyday-messages.ts';
import type { Narrator } from './narrator.ts';
import type { CallResult, MailboxResult } from './result.ts';

const ENTRY = fileURLToPath(new URL('./edge/everyday-process.js', import.meta.url));
/** Beside the sources: the build copies no audio. */
const VOICE = fileURLToPath(new URL('../../demo/media/voice.wav', import.meta.url));
/**
 * Of the 594 frames that are played, without those that were made up in place of others. What is still in the jitter buffer when the
 * caller hangs up is not heard: at most its largest delay, 400 ms; as much again may be lost to a stall of the machine.
 */
const LEAST_FRAMES = 554;
const LEAST_MOS = 3.6;
const QUIET_MS = 1500;
const TEXT = 'Are you there? I have something to tell you.';

type Device = RemoteProcess<EverydayCommands>;

/** What two people do every day: one writes while the other is away, and calls when she is back. */
export class EverydayScenario {
  readonly #network: Network;
  readonly #narrator: Narrator;
  readonly #devices = new Map<string, Device>();
  #folder = '';
  #supernode: SupernodeProcess | undefined;

  constructor(network: Network, narrator: Narrator) {
    this.#network = network;
    this.#narrator = narrator;
  }

  async run(): Promise<{ ok: boolean; mailbox: MailboxResult; call: CallResult }> {
    this.#folder = await mkdtemp(join(tmpdir(), 'parley-demo-'));
    try {
      this.#supernode = await startSupernode(this.#network, join(this.#folder, 'supernode'));
      const bobId = await this.#getAcquainted();
      const mailbox = await this.#writeToWhoIsAway(bobId);
      const call = await this.#callBothDevices(bobId);
      return { ok: mailbox.ok && call.ok, mailbox: mailbox.result, call: call.result };
    } finally {
      await Promise.all([...this.#devices.values()].map((device) => device.stop()));
      await this.#supernode?.stop();
      await rm(this.#folder, { recursive: true, force: true });
    }
  }

  async #getAcquainted(): Promise<string> {
    const alice = await this.#open('alice', 'alice');
    const phone = await this.#open('phone', 'bob');
    const tablet = await this.#open('tablet', 'tablet');
    const { userId: aliceId } = await alice.run('register', { handle: 'alice' });
    await phone.run('register', { handle: 'bob' });
    await Promise.all([alice.run('connect', null), phone.run('connect', null)]);
    const { code } = await tablet.run('linkCode', null);
    await phone.run('approveLink', { code, name: 'tablet' });
    await tablet.run('linked', null);
    await tablet.run('connect', null);
    const { userId: bobId } = await alice.run('requestContact', { handle: 'bob' });
    await phone.run('acceptContact', { userId: aliceId });
    this.#narrator.say('Alice and Bob are contacts; Bob has a phone, and a tablet that he linked by code');
    return bobId;
  }

  async #writeToWhoIsAway(bobId: string): Promise<{ ok: boolean; result: MailboxResult }> {
    await this.#away('phone');
    const { id } = await this.#device('alice').run('sendMessage', { userId: bobId, text: TEXT });
    this.#narrator.say("Bob's phone is off; Alice writes, and the supernode keeps the sealed message for it");
    const phone = await this.#open('phone', 'bob');
    await phone.run('connect', null);
    const received = await phone.run('messages', { quietMs: QUIET_MS });
    const copies = received.filter((message) => message.id === id && message.text === TEXT).length;
    const isRight = copies === 1 && received.length === 1;
    const ok = this.#narrator.check(
      isRight,
      `the phone is back: the message arrived ${copies} time, as it was written`,
    );
    return { ok, result: { sent: 1, receivedOnce: isRight ? 1 : 0 } };
  }

  async #callBothDevices(bobId: string): Promise<{ ok: boolean; result: CallResult }> {
    const [alice, phone, tablet] = [this.#device('alice'), this.#device('phone'), this.#device('tablet')];
    const calling = alice.run('call', { userId: bobId, wav: VOICE });
    calling.catch(() => undefined); // awaited below, after what makes it fail
    await Promise.all([phone.run('ringing', null), tablet.run('ringing', null)]);
    this.#narrator.say('Alice calls: phone and tablet ring');
    const [heard, silenced, called] = await Promise.all([
      phone.run('answer', { record: join(this.#folder, 'heard.wav') }),
      tablet.run('letRing', null),
      calling,
    ]);
    const histories = await Promise.all([phone, tablet].map((device) => device.run('history', null)));
    const mos = heard.mos ?? 0;
    const checks = [
      this.#narrator.check(
        called.rangMs !== null,
        `Alice heard it ring after ${called.rangMs?.toFixed(0) ?? '?'} ms`,
      ),
      this.#narrator.check(
        silenced.cause === 'answered-elsewhere',
        'the tablet stopped ringing when the phone answered',
      ),
      this.#narrator.check(
        called.outcome === 'completed' && heard.outcome === 'completed',
        'both ends say that the call was completed',
      ),
      this.#narrator.check(
        heard.framesHeard >= LEAST_FRAMES && mos >= LEAST_MOS,
        `Bob heard Alice for ${(heard.framesHeard * 0.02).toFixed(1)} s with an estimated MOS of ${mos.toFixed(2)}`,
      ),
      this.#narrator.check(
        histories.every((history) => history.length === 1 && history[0]?.outcome === 'completed'),
        "the call is in the history of both of Bob's devices",
      ),
    ];
    return { ok: checks.every(Boolean), result: { rangMs: Math.round(called.rangMs ?? -1), mos } };
  }

  async #open(name: string, machine: Machine): Promise<Device> {
    const child = this.#network.spawn(machine, [ENTRY], process.env);
    child.stdout?.pipe(process.stderr);
    const device: Device = new RemoteProcess<EverydayCommands>(name, child);
    this.#devices.set(name, device);
    const dataDir = join(this.#folder, name);
    const url = this.#supernode?.url ?? '';
    await device.run('open', { url, dataDir, includeLoopback: this.#network.includeLoopback });
    return device;
  }

  async #away(name: string): Promise<void> {
    await this.#device(name).run('close', null);
    await this.#device(name).stop();
  }

  #device(name: string): Device {
    const device = this.#devices.get(name);
    if (!device) throw new TypeError(`there is no ${name}`);
    return device;
  }
}
