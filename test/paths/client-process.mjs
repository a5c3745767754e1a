/**
 * One edge client in a process of its own. Commands come as IPC messages `{ id, command, params }` and are answered with
 * `{ id, result }` or `{ id, code }`. All times are of the machine's monotonic clock, which its processes share.
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { EdgeClient } from '@parley/edge-client';
import { transportAddress } from '@parley/nat';
import { UdpEndpoint } from '@parley/nat/node';
import { acquaintance } from '../system/acquaintance.mjs';

const CHUNK_BYTES = 64 * 1024;
const PACED_CHUNK_BYTES = 8 * 1024;
const PACE_MS = 5;
const DATAGRAM_BYTES = 160;
const BUCKET_MS = 10;
const TAKE_DEADLINE_MS = 30_000;
/** What a chunk is cut from, so that no two chunks of a stream are alike. */
const PATTERN = Buffer.from(Array.from({ length: 2 * CHUNK_BYTES }, (_, at) => (at * 31 + (at >> 8)) & 0xff));

let client;
let endpoint;
let claimed = [];
const paths = [];
let session;
const incoming = [];
const requests = [];
let sessions = 0;
let ticker;
let ticks = { sent: 0, refused: 0 };
let arrivals = [];
let pathLog = [];
let isBulkWanted = false;
let closure = null;
let states = [];
let call;
let callChanges = [];
const watchers = new Set();

function now() {
  return Number(process.hrtime.bigint()) / 1e6;
}

function use(next) {
  session = next;
  sessions += 1;
  ticks = { sent: 0, refused: 0 };
  arrivals = [];
  closure = null;
  pathLog = [[next.path, now()]];
  next.onPath((path) => {
    pathLog.push([path, now()]);
    for (const watcher of watchers) watcher();
  });
  next.onDatagram((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    arrivals.push([view.getUint32(0), view.getFloat64(4), now()]);
    for (const watcher of watchers) watcher();
  });
  void next.closed.then(({ by, error }) => (closure = { by, code: error?.code ?? null }));
}

function follow(next) {
  call = next;
  callChanges = [[next.state, now()]];
  next.on('state', ({ to }) => {
    callChanges.push([to, now()]);
    for (const watcher of watchers) watcher();
  });
}

/** Resolves with what `look` finds, at the next change that makes it find something. */
function when(look, ms) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      watchers.delete(watcher);
      reject(Object.assign(new Error(`not within ${ms} ms; ${JSON.stringify(pathLog)}`), { code: 'LATE' }));
    }, ms);
    const watcher = () => {
      const found = look();
      if (found === undefined) return;
      watchers.delete(watcher);
      clearTimeout(timer);
      resolve(found);
    };
    watchers.add(watcher);
    watcher();
  });
}

/** Paths and endpoints are the SDK's own affair; who attacks, and who judges an attack, looks into them. */
const { createPath } = UdpEndpoint.prototype;
UdpEndpoint.prototype.createPath = function (...args) {
  endpoint = this;
  const path = createPath.apply(this, args);
  paths.push(path);
  path.onPath(() => {
    for (const watcher of watchers) watcher();
  });
  const localCandidates = path.localCandidates.bind(path);
  path.localCandidates = () => [
    ...claimed.flatMap(({ address, port }) => [
      {
        kind: 'host',
        address: transportAddress(address, port),
        priority: 2 ** 31 - 1,
        foundation: 'claimed',
      },
      {
        kind: 'relayed',
        address: transportAddress(address, port + 1),
        priority: 2 ** 30,
        foundation: 'claimed',
      },
    ]),
    ...localCandidates(),
  ];
  return path;
};

const commands = {
  async join({ url, dataDir, handle, port, claims = [], portMapping = false }) {
    claimed = claims;
    const bind = port ? { bind: { ipv4: { port } } } : {};
    client = await EdgeClient.open({ url, dataDir, udp: { portMapping, ...bind } });
    client.on('state', ({ to }) => {
      states.push([to, now()]);
      for (const watcher of watchers) watcher();
    });
    client.on('session', (event) => {
      incoming.push(event.session);
      for (const watcher of watchers) watcher();
    });
    client.on('session-request', (request) => {
      requests.push(request);
      for (const watcher of watchers) watcher();
    });
    client.calls.on('incoming', (next) => follow(next));
    await client.register({ handle });
    await client.connect();
    return client.identity.userId;
  },
  ...acquaintance(() => client),
  async open({ userId, policy, timeoutMs }) {
    use(await client.openSession(userId, { policy, timeoutMs }));
    return null;
  },
  async take() {
    await when(() => (incoming.length > 0 ? null : undefined), TAKE_DEADLINE_MS);
    use(incoming.shift());
    return null;
  },
  /** Of somebody whom the app is asked about. */
  requested: ({ ms }) => when(() => (requests.length > 0 ? null : undefined), ms),
  async acceptRequest() {
    use(await requests.shift().accept());
    return null;
  },
  async call({ userId }) {
    follow(client.calls.call(userId));
    return null;
  },
  /** When the call came to this state. */
  callState: ({ state, ms }) =>
    when(() => (call ? callChanges.find(([to]) => to === state)?.[1] : undefined), ms),
  async acceptCall() {
    const acceptedAt = now();
    await call.accept();
    return acceptedAt;
  },
  /** How the session of the call travelled since it exists. */
  callPaths: async () => call.session.pathHistory.map(({ path }) => path),
  async hangUp() {
    await call.hangUp();
    return null;
  },
  /** All paths of this client have found a direct way, whoever may use it. */
  pathsDirect: ({ ms }) =>
    when(
      () => (paths.length > 0 && paths.every(({ current }) => current?.kind === 'direct') ? null : undefined),
      ms,
    ),
  /** When the client came online, at or after `since`. */
  online: ({ since, ms }) => when(() => states.find(([to, at]) => to === 'online' && at >= since)?.[1], ms),
  gateway: async () => (await client.netcheck()).portMapping,
  portMappingDrops: async () => client.drops().portMapping,
  state: async () => ({
    path: session.path,
    pathLog,
    sessions,
    closure,
    checksSent: session.stats().checksSent,
    relays: session.relays ?? null,
  }),
  /** When the session began to travel like that, at or after `since`. */
  travels: ({ path, since, ms }) =>
    when(() => {
      const last = pathLog.at(-1);
      if (session.path !== path) return undefined;
      return Math.max(since, last[1]);
    }, ms),
  async tick({ everyMs }) {
    const bytes = Buffer.alloc(DATAGRAM_BYTES);
    ticker = setInterval(() => {
      bytes.writeUInt32BE(ticks.sent, 0);
      bytes.writeDoubleBE(now(), 4);
      if (session.sendDatagram(bytes)) ticks.sent += 1;
      else ticks.refused += 1;
    }, everyMs);
    return null;
  },
  async untick() {
    clearInterval(ticker);
    return ticks;
  },
  arrivals: async () => arrivals,
  /** The first datagram that was sent at or after `since` and has arrived. */
  heard: ({ since, ms }) => when(() => arrivals.find(([, sentAt]) => sentAt >= since)?.[2], ms),
  heardCount: ({ count, ms }) => when(() => (arrivals.length >= count ? null : undefined), ms),
  /** As fast as it is taken, or at a steady rate, until `stopBulk`. */
  async sendBulk({ bytesPerSecond }) {
    const stream = session.openStream({ direction: 'unidirectional' });
    const hash = createHash('sha256');
    const beganAt = now();
    let bytes = 0;
    isBulkWanted = true;
    while (isBulkWanted) {
      if (bytesPerSecond && bytes > ((now() - beganAt) * bytesPerSecond) / 1000) {
        await delay(PACE_MS);
        continue;
      }
      const size = bytesPerSecond ? PACED_CHUNK_BYTES : CHUNK_BYTES;
      const chunk = PATTERN.subarray(bytes % CHUNK_BYTES, (bytes % CHUNK_BYTES) + size - 1);
      hash.update(chunk);
      bytes += chunk.length;
      await stream.write(chunk);
      await nextTurn();
    }
    await stream.end();
    await stream.finished;
    return { bytes, sha256: hash.digest('hex') };
  },
  /** What the congestion control sees. */
  quic: async () => {
    const { rttMs, congestionWindowBytes, packetsLost, packetsSent } = session.stats();
    return { rttMs, congestionWindowBytes, packetsLost, packetsSent };
  },
  ufrags: async () => paths.map((path) => path.localCredentials.ufrag),
  drops: async () => {
    const { drops } = endpoint.stats();
    const ofPaths = paths.flatMap((path) => [...path.stats().drops.values()]);
    return [...Object.values(drops), ...ofPaths].reduce((sum, count) => sum + count, 0);
  },
  async stay({ ms }) {
    await delay(ms); // what does not happen in this time is what is tested
    return null;
  },
  async stopBulk() {
    isBulkWanted = false;
    return null;
  },
  async receiveBulk() {
    const { value: stream } = await session.incomingStreams[Symbol.asyncIterator]().next();
    const hash = createHash('sha256');
    const buckets = new Map();
    let bytes = 0;
    for await (const chunk of stream) {
      const bucket = Math.floor(now() / BUCKET_MS) * BUCKET_MS;
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + chunk.length);
      bytes += chunk.length;
      hash.update(chunk);
    }
    return { bytes, sha256: hash.digest('hex'), buckets: [...buckets] };
  },
  async restartPath() {
    session.restartPath();
    return null;
  },
  async close() {
    await session?.close();
    return null;
  },
  async leave() {
    await client.close();
    return null;
  },
};

process.on('message', ({ id, command, params }) => {
  commands[command](params ?? {}).then(
    (result) => process.send({ id, result }),
    (error) => process.send({ id, code: error.code ?? 'UNEXPECTED', message: error.stack }),
  );
});
process.on('disconnect', () => process.exit(1));
