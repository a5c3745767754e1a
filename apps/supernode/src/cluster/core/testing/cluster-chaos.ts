import type { NodeId } from '../../node-record.ts';
import type { ClusterSimulation } from './cluster-simulation.ts';

/** How often each fault is drawn, relative to the others. */
const FAULTS = [
  'pause',
  'pause',
  'kill',
  'kill',
  'cut-from-leases',
  'cut-from-database',
  'cut-from-both',
  'leases-away',
  'leases-empty',
  'leases-lose-writes',
  'database-away',
  'partition',
  'one-way',
  'drain',
  'load',
  'controls',
  'relay-deaf',
] as const;
type Fault = (typeof FAULTS)[number];

/** Those that separate supernodes from the stores, one after the other: what leases and roster prove is put to the test. */
const STORE_FAULTS = [
  'kill',
  'cut-from-leases',
  'cut-from-leases',
  'cut-from-database',
  'cut-from-database',
  'cut-from-database',
  'cut-from-both',
  'leases-away',
  'leases-lose-writes',
  'one-way',
  'pause',
] as const satisfies readonly Fault[];

/** Those that make elections: seats are lost and wanted, operators have a say, and two may believe to coordinate. */
const ELECTION_FAULTS = [
  'controls',
  'controls',
  'controls',
  'kill',
  'kill',
  'drain',
  'load',
  'leases-empty',
  'leases-empty',
  'leases-lose-writes',
  'relay-deaf',
] as const satisfies readonly Fault[];

/** Faults at random moments for `durationMs`; afterwards some of them still last. */
export function unleashChaos(simulation: ClusterSimulation, durationMs: number): void {
  const { random, clock } = simulation;
  const draw = random.nextFraction();
  const faults = draw < 0.4 ? FAULTS : draw < 0.75 ? STORE_FAULTS : ELECTION_FAULTS;
  const longestBreakMs = faults === FAULTS ? 5_000 : 2_000;
  for (
    let at = random.nextInteger(0, 4_000);
    at < durationMs;
    at += random.nextInteger(200, longestBreakMs)
  ) {
    clock.schedule(at, () => {
      if (!simulation.isHealed) strike(simulation, pick(simulation, faults));
    });
  }
}

function strike(simulation: ClusterSimulation, fault: Fault): void {
  const { random, clock, leases, database } = simulation;
  const nodeId = pick(simulation, simulation.ids);
  const lastsMs = random.nextInteger(300, 12_000);
  simulation.note(`fault ${fault} ${nodeId} for ${lastsMs} ms`);
  const until = (end: () => void) =>
    clock.schedule(lastsMs, () => {
      if (!simulation.isHealed) end();
    });
  switch (fault) {
    case 'pause': {
      const pausedMs = random.nextInteger(300, 15_000);
      // Also at the worst moment: what it asked is answered while it stands still, and it reads that when others have taken over.
      if (random.nextFraction() < 0.5) pause(simulation, nodeId, pausedMs);
      else simulation.whenAsking.set(nodeId, () => pause(simulation, nodeId, pausedMs));
      break;
    }
    case 'kill':
      simulation.kill(nodeId);
      until(() => simulation.start(nodeId));
      break;
    case 'cut-from-leases':
      cutFor(simulation, [[nodeId, 'leases']], lastsMs);
      break;
    case 'cut-from-database':
      cutFor(simulation, [[nodeId, 'database']], lastsMs);
      break;
    case 'cut-from-both':
      cutFor(
        simulation,
        [
          [nodeId, 'leases'],
          [nodeId, 'database'],
        ],
        lastsMs,
      );
      break;
    case 'leases-away':
      leases.isUp = false;
      until(() => {
        leases.isUp = true;
        if (random.nextFraction() < 0.5) leases.empty();
      });
      break;
    case 'leases-empty':
      leases.empty();
      break;
    case 'leases-lose-writes':
      leases.loseLast(random.nextInteger(50, 2_000), clock.now);
      break;
    case 'database-away':
      database.isUp = false;
      until(() => (database.isUp = true));
      break;
    case 'partition':
      partition(simulation, lastsMs);
      break;
    case 'one-way':
      simulation.cuts.add(`${nodeId}>${pick(simulation, [...simulation.ids, 'leases', 'database'])}`);
      until(() => {
        for (const cut of simulation.cuts) if (cut.startsWith(`${nodeId}>`)) simulation.cuts.delete(cut);
      });
      break;
    case 'drain':
      simulation.nodes.get(nodeId)?.handle({ kind: 'drain' });
      until(() => {
        simulation.kill(nodeId);
        simulation.start(nodeId);
      });
      break;
    case 'relay-deaf':
      simulation.deaf.add(nodeId);
      until(() => simulation.deaf.delete(nodeId));
      break;
    case 'load':
      simulation.loads.set(nodeId, random.nextFraction());
      break;
    case 'controls':
      changeControls(simulation, nodeId);
      break;
  }
}

function pause(simulation: ClusterSimulation, nodeId: NodeId, lastsMs: number): void {
  const node = simulation.nodes.get(nodeId);
  if (node?.isAlive !== true || node.isPaused) return;
  node.pause();
  simulation.clock.schedule(lastsMs, () => {
    if (node.isAlive && node.isPaused) node.resume();
  });
}

function cutFor(
  simulation: ClusterSimulation,
  pairs: readonly (readonly [string, string])[],
  lastsMs: number,
): void {
  for (const [a, b] of pairs) simulation.cut(a, b);
  simulation.clock.schedule(lastsMs, () => {
    for (const [a, b] of pairs) {
      simulation.cuts.delete(`${a}>${b}`);
      simulation.cuts.delete(`${b}>${a}`);
    }
  });
}

/** Two groups that can't reach each other; each store is on one side or seen by both. */
function partition(simulation: ClusterSimulation, lastsMs: number): void {
  const { random, ids } = simulation;
  const left = ids.filter(() => random.nextFraction() < 0.5);
  const right = ids.filter((id) => !left.includes(id));
  const stores = ['leases', 'database'].filter(() => random.nextFraction() < 0.5);
  const pairs = [...right, ...stores].flatMap((b) => left.map((a) => [a, b] as const));
  cutFor(simulation, pairs, lastsMs);
}

function changeControls(simulation: ClusterSimulation, nodeId: NodeId): void {
  const { random, database } = simulation;
  const draw = random.nextInteger(0, 3);
  database.controls = {
    isFrozen: draw === 0,
    pins: draw === 1 ? { [nodeId]: 'standby' } : draw === 2 ? { [nodeId]: 'active' } : {},
  };
}

function pick<T>(simulation: ClusterSimulation, from: readonly T[]): T {
  return from[simulation.random.nextInteger(0, from.length - 1)] as T;
}
