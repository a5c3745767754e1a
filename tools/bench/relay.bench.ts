import { fork } from 'node:child_process';
import { RemoteProcess } from '../processes/remote-process.ts';
import { compared, type Benchmark, type BenchmarkResult } from './figures.ts';
import type { RelayServerCommands } from './relay/relay-server-commands.ts';
import { channelRoad, nativeRoad, type RelayedRoad } from './relay/relayed-road.ts';

const ROUNDS = 7;
const WARM_UP_ROUNDS = 2;
const ROUND_MS = 1_000;
/** Datagrams under way: enough to keep the relay busy, few enough for every buffer. */
const WINDOW = 64;
const STALL_MS = 5;
/** A voice frame of 20 ms, and a full QUIC packet. */
const SIZES = { small: 160, large: 1_200 } as const;
const YARDSTICK = 'TURN ChannelData';

interface Load {
  readonly perSecond: number;
  readonly cpuUs: number;
}

type Relay = RemoteProcess<RelayServerCommands>;

/** Sends as fast as datagrams arrive at the other end. */
function flood(road: RelayedRoad, bytes: number): Promise<{ arrived: number; ms: number }> {
  const payload = new Uint8Array(bytes).fill(0x40);
  const began = performance.now();
  return new Promise((resolve) => {
    let arrived = 0;
    let arrivedAt = began;
    let isOver = false;
    road.onArrived((length) => {
      if (length !== bytes || isOver) return;
      arrived += 1;
      arrivedAt = performance.now();
      road.send(payload);
    });
    const watch = setInterval(() => {
      const at = performance.now();
      if (at - began >= ROUND_MS) {
        isOver = true;
        clearInterval(watch);
        resolve({ arrived, ms: at - began });
      } else if (at - arrivedAt > STALL_MS) {
        for (let sent = 0; sent < WINDOW; sent += 1) road.send(payload);
      }
    }, STALL_MS);
    for (let sent = 0; sent < WINDOW; sent += 1) road.send(payload);
  });
}

async function load(relay: Relay, road: RelayedRoad, bytes: number): Promise<Load> {
  const before = await relay.run('cost', null);
  const { arrived, ms } = await flood(road, bytes);
  const after = await relay.run('cost', null);
  road.close();
  return { perSecond: arrived / (ms / 1_000), cpuUs: ((after.cpuMs - before.cpuMs) * 1_000) / arrived };
}

/** From nothing to the first payload at the other end. */
async function firstByteMs(open: () => Promise<RelayedRoad>): Promise<number> {
  const began = performance.now();
  const road = await open();
  await new Promise<void>((resolve) => {
    road.onArrived(() => {
      resolve();
    });
    road.send(Uint8Array.of(1));
  });
  const ms = performance.now() - began;
  road.close();
  return ms;
}

async function measure(relay: Relay): Promise<BenchmarkResult> {
  const roads = {
    native: async () => nativeRoad(await relay.run('admit', null)),
    channel: async () => channelRoad(await relay.run('admit', null)),
  };
  const rounds = async <Value>(one: (open: () => Promise<RelayedRoad>) => Promise<Value>) => {
    const results: { native: Value; channel: Value }[] = [];
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      const result = { native: await one(roads.native), channel: await one(roads.channel) };
      if (round >= 0) results.push(result);
    }
    return results;
  };
  const first = await rounds(firstByteMs);
  const small = await rounds(async (open) => load(relay, await open(), SIZES.small));
  const large = await rounds(async (open) => load(relay, await open(), SIZES.large));
  const figure = (measured: typeof small, pick: (one: Load) => number, unit: string) =>
    compared(
      measured.map(({ native, channel }) => ({ value: pick(native), yardstick: pick(channel) })),
      unit,
      YARDSTICK,
    );
  const cpu = (one: Load): number => one.cpuUs;
  const rate = (one: Load): number => one.perSecond;
  return {
    figures: {
      smallDatagramsPerSecond: figure(small, rate, 'datagrams/s'),
      largeDatagramsPerSecond: figure(large, rate, 'datagrams/s'),
      smallCpuMicroseconds: figure(small, cpu, 'µs of the relay per datagram'),
      largeCpuMicroseconds: figure(large, cpu, 'µs of the relay per datagram'),
      firstRelayedByteMs: compared(
        first.map(({ native, channel }) => ({ value: native, yardstick: channel })),
        'ms',
        YARDSTICK,
      ),
    },
    notes: [
      `payloads of ${SIZES.small} and ${SIZES.large} bytes on loopback, ${WINDOW} under way, one relay process on one thread`,
      'the first byte counts from the opening of the socket: registration here, allocation and channel there; a client is registered before any call',
      `median of ${ROUNDS} rounds of ${ROUND_MS} ms each; sender and receiver share a process of their own`,
    ],
  };
}

async function run(): Promise<BenchmarkResult> {
  const child = fork(new URL('relay/relay-server-process.js', import.meta.url), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const relay = new RemoteProcess<RelayServerCommands>('relay', child);
  try {
    return await measure(relay);
  } finally {
    await relay.stop();
  }
}

export const relay: Benchmark = {
  name: 'relay',
  what: 'datagrams through the native relay, against TURN ChannelData in the same process',
  run,
};
