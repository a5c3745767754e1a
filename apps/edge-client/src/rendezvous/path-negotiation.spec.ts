import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, jest } from '@jest/globals';
import {
  transportAddress,
  type IceCandidate,
  type IceCredentials,
  type NatReport,
  type RemoteNetwork,
} from '@parley/nat';
import type { IcePath } from '@parley/nat/node';
import {
  encodeBase64url,
  type SessionCandidates,
  type SessionId,
  type Signed,
  type UserId,
} from '@parley/protocol';
import { deviceIdOf, generateKeyPair, importKeyPair, type KeyPair } from '../identity/keys.ts';
import { PathNegotiation } from './path-negotiation.ts';

const sessionId = encodeBase64url(new Uint8Array(16)) as SessionId;

const candidate = (port: number): IceCandidate => ({
  kind: 'host',
  address: transportAddress('192.0.2.1', port),
  priority: 1,
  foundation: 'f',
});

/** The part of a path that negotiation uses; remembers what it was told. */
class FakePath {
  readonly told: string[] = [];
  restarts = 0;
  state: 'checking' | 'connected' | 'failed' = 'checking';
  local: IceCandidate[] = [];
  current: { readonly kind: 'relayed' | 'direct' } | undefined;
  #listener: (found: IceCandidate) => void = () => undefined;

  constructor(readonly name: string) {}

  get localCredentials(): IceCredentials {
    return { ufrag: `${this.name}${String(this.restarts)}000`, pwd: 'p'.repeat(22) };
  }

  localCandidates = () => this.local;
  onLocalCandidate = (listener: (found: IceCandidate) => void) => {
    this.#listener = listener;
    return () => (this.#listener = () => undefined);
  };
  observed: (readonly string[] | undefined)[] = [];
  addNativeRelay = (id: Uint8Array) => this.told.push(`relay ${id.join('')}`);
  setRemote = (ice: IceCredentials, candidates: readonly IceCandidate[], network?: RemoteNetwork) => {
    this.observed.push(network?.observedAddresses);
    this.told.push(`remote ${ice.ufrag} ${String(candidates.length)}`);
  };
  addRemoteCandidate = (found: IceCandidate) => this.told.push(`candidate ${String(found.address.port)}`);
  usePorts: () => void = () => undefined;
  onPortsUsedUp = (listener: () => void) => {
    this.usePorts = listener;
    return () => undefined;
  };
  learnNat: (nat: NatReport) => void = () => undefined;
  onLocalNat = (listener: (nat: NatReport) => void) => {
    this.learnNat = listener;
    return () => undefined;
  };
  readonly nats: RemoteNetwork[] = [];
  updateRemoteNetwork = (network: RemoteNetwork) => {
    if (network.nat) this.nats.push(network);
    else this.updatedTo = network.observedAddresses;
  };
  updatedTo: readonly string[] | undefined;
  endOfCandidates = () => this.told.push('end');
  restart = () => {
    this.restarts += 1;
    return this.localCredentials;
  };
  close = () => this.told.push('close');

  find(found: IceCandidate): void {
    this.local.push(found);
    this.#listener(found);
  }
}

const sequential = (latestPort: number): NatReport => ({
  mapping: 'address-and-port-dependent',
  filtering: 'address-and-port-dependent',
  portAllocation: 'sequential',
  portStep: 2,
  latestPort,
});

/** Two ends whose messages the test carries. */
function twoEnds(nat?: NatReport, hidesNat = false) {
  const clock = { now: 1000, samples: 0, isOnline: true };
  const keys = [0, 1].map(() => importKeyPair('Ed25519', generateKeyPair('Ed25519'))) as [KeyPair, KeyPair];
  const parties = keys.map((key, at) => ({
    userId: `user-${String(at)}` as UserId,
    deviceId: deviceIdOf(key.publicKey),
    key: encodeBase64url(key.publicKey),
  }));
  const sent: [Signed[], Signed[]] = [[], []];
  const paths = [new FakePath('aa'), new FakePath('bb')] as const;
  const ends = [0, 1].map(
    (at) =>
      new PathNegotiation({
        path: paths[at] as unknown as IcePath,
        sessionId,
        self: parties[at]!,
        peer: parties[1 - at]!,
        deviceKey: keys[at]!,
        hidesNat,
        isRelayOnly: false,
        freshNat: () => {
          clock.samples += 1;
          return Promise.resolve(nat);
        },
        now: () => clock.now,
        isOnline: () => clock.isOnline,
        send: (signed) => {
          if (clock.isOnline) sent[at]!.push(signed);
          return Promise.resolve(clock.isOnline);
        },
        allocateRelay: () => paths[at]!.told.push('allocate relay'),
      }),
  ) as [PathNegotiation, PathNegotiation];
  return { ends, paths, sent, clock };
}

const payloadOf = (signed: Signed) =>
  JSON.parse(Buffer.from(signed.payload, 'base64url').toString()) as SessionCandidates;

/** Both know each other's first credentials, as after offer and answer. */
function connected() {
  const both = twoEnds();
  const { ends } = both;
  const described = ends.map((end) => end.describe());
  ends[0].begin(described[1]!.ice, []);
  ends[1].begin(described[0]!.ice, []);
  for (const end of ends) end.open();
  return both;
}

describe('PathNegotiation', () => {
  it('tells all anew, once it is online again, where a message was lost with the connection', async () => {
    const { ends, paths, sent, clock } = connected();
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] });
    try {
      paths[0].find(candidate(1));
      await nextTurn();
      clock.isOnline = false;
      paths[0].find(candidate(2));
      paths[0].find(candidate(3));
      await nextTurn();
      jest.advanceTimersByTime(10_000);
      clock.isOnline = true;
      paths[0].find(candidate(4));
      await nextTurn();
      jest.advanceTimersByTime(300);
      await nextTurn();
      jest.advanceTimersByTime(10_000);
      await nextTurn();
    } finally {
      jest.useRealTimers();
    }

    expect(sent[0].map((signed) => payloadOf(signed).candidates.map(({ port }) => port))).toEqual([
      [1],
      [4],
      [1, 2, 3, 4],
    ]);
    for (const signed of sent[0]) expect(ends[1].receive(signed)).toBeUndefined();
  });

  it('trickles what was found after the description, once and in groups', async () => {
    const { ends, paths, sent } = twoEnds();
    paths[0].find(candidate(1));
    expect(ends[0].describe().candidates.map(({ port }) => port)).toEqual([1]);
    paths[0].find(candidate(2));
    paths[0].find(candidate(3));
    paths[0].find(candidate(3));
    await nextTurn();
    expect(sent[0]).toEqual([]);

    ends[0].open();
    await nextTurn();

    expect(sent[0].map((signed) => payloadOf(signed).candidates.map(({ port }) => port))).toEqual([[2, 3]]);
    ends[1].begin(ends[0].describe().ice, []);
    expect(ends[1].receive(sent[0][0]!)).toBeUndefined();
    expect(paths[1].told).toEqual(['allocate relay', 'remote aa0000 0', 'candidate 2', 'candidate 3']);
  });

  describe('begun by an early answer', () => {
    function early() {
      const both = twoEnds();
      const { ends } = both;
      const [ours, theirs] = [ends[0].describe().ice, ends[1].describe().ice];
      ends[0].open();
      expect(ends[0].beginEarly(theirs, [])).toBe(true);
      return { ...both, ours, theirs };
    }

    it('starts the checks once, and asks for no relay', () => {
      const { ends, paths, theirs } = early();
      expect(ends[0].beginEarly(theirs, [])).toBe(false);
      expect(paths[0].told).toEqual(['remote bb0000 0']);
    });

    it('goes on with the same search and the relay when the peer accepts', () => {
      const { ends, paths, sent, theirs } = early();
      ends[0].begin(theirs, [], { relay: { id: encodeBase64url(new Uint8Array([1, 2, 3])) } });
      expect(paths[0].told).toEqual(['remote bb0000 0', 'relay 123', 'remote bb0000 0']);
      expect(sent[0]).toEqual([]);
    });

    it.each([
      ['the peer has another end by then', true],
      ['its own search failed', false],
    ])('begins anew when %s', async (_name, isPeers) => {
      const { ends, paths, sent, ours, theirs } = early();
      // The end of the peer that accepted: a new one knows the offer only.
      if (isPeers) paths[1].restarts = 7;
      else paths[0].state = 'failed';
      ends[1].begin(ours, []);
      ends[0].begin(isPeers ? ends[1].describe().ice : theirs, []);

      expect(paths[0].restarts).toBe(1);
      expect(ends[1].receive(sent[0][0]!)).toBeUndefined();
      expect(ends[0].receive(sent[1][0]!)).toBeUndefined();
      await nextTurn();

      expect(paths[0].told.at(-1)).toBe(`remote ${paths[1].localCredentials.ufrag} 0`);
      expect(paths[1].told.at(-1)).toBe(`remote ${paths[0].localCredentials.ufrag} 0`);
      expect([sent[0].length, sent[1].length]).toEqual([1, 1]);
    });
  });

  it('drops a message that it has seen, and one of another device', async () => {
    const { ends, paths, sent } = connected();
    paths[0].find(candidate(1));
    await nextTurn();
    const [message] = sent[0];

    expect(ends[1].receive(message!)).toBeUndefined();
    expect(ends[1].receive(message!)).toBe('replayed');
    expect(ends[0].receive(message!)).toBe('wrong-signer');
    expect(ends[1].receive({ ...message!, signature: 'A'.repeat(86) })).toBe('bad-signature');
  });

  it('follows the restart of the other end with one of its own, and neither restarts again', () => {
    const { ends, paths, sent } = connected();

    ends[0].restart();
    expect(ends[1].receive(sent[0][0]!)).toBeUndefined();
    expect(ends[0].receive(sent[1][0]!)).toBeUndefined();

    expect(paths.map(({ restarts }) => restarts)).toEqual([1, 1]);
    expect(paths[0].told).toEqual(['allocate relay', 'remote bb0000 0', 'remote bb1000 0']);
    expect(paths[1].told).toEqual(['allocate relay', 'remote aa0000 0', 'remote aa1000 0']);
    expect([sent[0].length, sent[1].length]).toEqual([1, 1]);
  });

  it('settles when both ends restart at once', () => {
    const { ends, paths, sent } = connected();

    ends[0].restart();
    ends[1].restart();
    ends[1].receive(sent[0][0]!);
    ends[0].receive(sent[1][0]!);

    expect(paths.map(({ restarts }) => restarts)).toEqual([1, 1]);
    expect(paths[0].told.at(-1)).toBe('remote bb1000 0');
    expect(paths[1].told.at(-1)).toBe('remote aa1000 0');
  });

  it('uses the relay between the two flows and asks for no allocation', () => {
    const { ends, paths } = twoEnds();
    ends[1].begin(ends[0].describe().ice, [], { relay: { id: encodeBase64url(new Uint8Array(8).fill(7)) } });

    expect(paths[1].told).toEqual(['relay 77777777', 'remote aa0000 0']);
  });

  it('tells the path where the supernode observes the peer, and where it does so later', async () => {
    const { ends, paths, sent } = twoEnds();
    ends[1].begin(ends[0].describe().ice, [], { observedAddresses: ['203.0.113.1'] });
    ends[0].open();
    paths[0].find(candidate(1));
    await nextTurn();
    ends[1].receive(sent[0][0]!, ['203.0.113.2']);
    ends[0].restart();
    ends[1].receive(sent[0][1]!);

    expect(paths[1].observed).toEqual([['203.0.113.1'], ['203.0.113.2']]);
    expect(paths[1].updatedTo).toEqual(['203.0.113.2']);
  });
});

describe('PathNegotiation › NATs', () => {
  it('tells the path what the peer signed, with its age', async () => {
    const { ends, paths, sent, clock } = twoEnds(sequential(5000));
    ends[0].describe(sequential(5000));
    clock.now = 1400;
    await ends[0].traverse({ nat: sequential(7000), issuedAt: 1150 });

    expect(paths[0].nats).toEqual([{ nat: sequential(7000), ageMs: 250 }]);
    expect([sent[0].length, clock.samples]).toEqual([0, 0]);
  });

  it('a port that was told long ago is sampled and told again, and the peer believes the newer one', async () => {
    const { ends, paths, sent, clock } = twoEnds(sequential(5100));
    ends[1].begin(ends[0].describe(sequential(5000)).ice, []);
    clock.now = 20_000;
    await ends[0].traverse({ nat: sequential(7000), issuedAt: 19_900 });

    expect(sent[0].map((signed) => payloadOf(signed).nat?.latestPort)).toEqual([5100]);
    expect(ends[1].receive(sent[0][0]!)).toBeUndefined();
    await nextTurn();
    expect(paths[1].nats).toEqual([{ nat: sequential(5100), ageMs: 0 }]);
  });

  it('after a restart both tell of their NATs anew, as of another network', async () => {
    const { ends, paths, sent } = twoEnds(sequential(5100));
    const ices = ends.map((end) => end.describe(sequential(5000)).ice);
    ends[0].begin(ices[1]!, []);
    ends[1].begin(ices[0]!, []);
    await ends[0].traverse({ nat: sequential(7000), issuedAt: 1000 });
    await ends[1].traverse({ nat: sequential(7000), issuedAt: 1000 });
    ends[0].restart();
    ends[1].receive(sent[0][0]!);
    ends[0].receive(sent[1][0]!);
    await nextTurn();

    expect(sent.map((messages) => messages.map((signed) => payloadOf(signed).nat?.latestPort))).toEqual([
      [undefined, 5100],
      [undefined, 5100],
    ]);
    expect(paths.map(({ restarts }) => restarts)).toEqual([1, 1]);
  });

  it('ports that were used up are sampled by both sides, one after the other', async () => {
    const { ends, paths, sent, clock } = twoEnds(sequential(5100));
    const ices = ends.map((end) => end.describe(sequential(5000)).ice);
    ends[0].begin(ices[1]!, []);
    ends[1].begin(ices[0]!, []);
    clock.now = 9000;
    paths[0].usePorts();
    await nextTurn();
    ends[1].receive(sent[0][0]!);
    await nextTurn();
    ends[0].receive(sent[1][0]!);
    await nextTurn();

    expect([sent[0].length, sent[1].length]).toEqual([1, 1]);
    expect(paths.map(({ nats }) => nats)).toEqual([
      [{ nat: sequential(5100), ageMs: 0 }],
      [{ nat: sequential(5100), ageMs: 0 }],
    ]);
  });

  /** Both sides sequential, and each message on its way for two seconds: how many messages both sent. */
  async function exchangeSlowly({ ends, sent, clock }: ReturnType<typeof twoEnds>): Promise<number> {
    const taken = [0, 0];
    for (let round = 0; round < 40; round += 1) {
      clock.now += 2000;
      for (const [from, to] of [
        [0, 1],
        [1, 0],
      ] as const) {
        for (const signed of sent[from].slice(taken[from])) ends[to].receive(signed);
        taken[from] = sent[from].length;
      }
      await nextTurn();
    }
    return sent[0].length + sent[1].length;
  }

  it('two sides whose reports are old when they arrive do not answer each other for ever', async () => {
    const both = twoEnds(sequential(5100));
    const { ends, clock } = both;
    const ices = ends.map((end) => end.describe(sequential(5000)).ice);
    ends[0].begin(ices[1]!, []);
    ends[1].begin(ices[0]!, []);
    clock.now = 3000;
    await ends[0].traverse({ nat: sequential(7000), issuedAt: 3000 });
    expect(await exchangeSlowly(both)).toBe(6);

    ends[0].restart();
    const withRestart = await exchangeSlowly(both);
    expect(withRestart).toBeGreaterThan(8);
    expect(withRestart).toBeLessThanOrEqual(6 + 2 + 2 + 6);
  });

  it('an old report is not answered once the path is direct', async () => {
    const { ends, paths, sent, clock } = twoEnds(sequential(5100));
    ends[0].describe(sequential(5000));
    clock.now = 20_000;
    paths[0].current = { kind: 'direct' };
    await ends[0].traverse({ nat: sequential(7000), issuedAt: 20_000 });
    expect(sent[0]).toEqual([]);

    paths[0].current = { kind: 'relayed' };
    await ends[0].traverse({ nat: sequential(7000), issuedAt: 20_000 });
    expect(sent[0]).toHaveLength(1);
  });

  it('another NAT than a sequential one is told once', async () => {
    const stable: NatReport = { mapping: 'none', filtering: 'none', portAllocation: 'preserving' };
    const { ends, sent, clock } = twoEnds(stable);
    expect(ends[0].describe(stable).nat).toEqual(stable);
    clock.now = 50_000;
    await ends[0].traverse({ nat: stable, issuedAt: 50_000 });

    expect([sent[0].length, clock.samples]).toEqual([0, 0]);
  });

  it('a peer that was told of a NAT before its ports were known is told once they are, and once only', async () => {
    const unfinished: NatReport = {
      mapping: 'address-and-port-dependent',
      filtering: 'unknown',
      portAllocation: 'unknown',
    };
    const random: NatReport = { ...unfinished, portAllocation: 'random' };
    const stable: NatReport = { mapping: 'none', filtering: 'none', portAllocation: 'preserving' };
    const { ends, paths, sent } = twoEnds(random);
    ends[0].describe(unfinished);
    paths[0].learnNat(unfinished);
    await ends[0].traverse({ nat: stable, issuedAt: 1000 });
    expect(sent[0]).toEqual([]);

    paths[0].learnNat(random);
    paths[0].learnNat(random);
    await nextTurn();

    expect(sent[0].map((signed) => payloadOf(signed).nat)).toEqual([random]);
  });

  it('a NAT that became known between the offer and its answer is told with the answer', async () => {
    const random: NatReport = {
      mapping: 'address-and-port-dependent',
      filtering: 'unknown',
      portAllocation: 'random',
    };
    const { ends, paths, sent } = twoEnds(random);
    ends[0].describe(undefined);
    paths[0].learnNat(random);
    await nextTurn();
    expect(sent[0]).toEqual([]);

    await ends[0].traverse({ issuedAt: 1000 });
    await nextTurn();

    expect(sent[0].map((signed) => payloadOf(signed).nat)).toEqual([random]);
  });

  it('an offer that hides addresses hides the NAT too; it is told once the peer accepted', async () => {
    const { ends, sent } = twoEnds(sequential(5000), true);
    expect(ends[0].describe(sequential(5000)).nat).toBeUndefined();
    await ends[0].traverse({ issuedAt: 1000 });

    expect(sent[0].map((signed) => payloadOf(signed).nat)).toEqual([sequential(5000)]);
  });
});
