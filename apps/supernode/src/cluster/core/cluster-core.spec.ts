import { describe, expect, it } from '@jest/globals';
import { slotsOf } from '../roster.ts';
import type { Decision } from './decision.ts';
import { ClusterSimulation, type SimulationOptions } from './testing/cluster-simulation.ts';

/** A calm cluster that has found itself. */
function calmCluster(options: Partial<SimulationOptions> = {}): ClusterSimulation {
  const simulation = new ClusterSimulation({ seed: 1, nodes: 3, loss: 0, duplication: 0, ...options });
  for (const nodeId of simulation.ids) simulation.start(nodeId);
  expect(simulation.converge(15_000)).toBeDefined();
  simulation.clock.advance(3_000);
  return simulation;
}

function ownersBySlot(simulation: ClusterSimulation): string[] {
  const { owners, seats } = simulation.database.roster;
  return owners.map((owner) => seats[owner]!.nodeId);
}

function seated(simulation: ClusterSimulation): string[] {
  return simulation.database.roster.seats.map((seat) => seat.nodeId).sort();
}

function coordinatorOf(simulation: ClusterSimulation) {
  return simulation.alive.find((node) => node.core.isCoordinator(node.now()))!;
}

function homeThatIsNotCoordinator(simulation: ClusterSimulation) {
  const coordinator = coordinatorOf(simulation);
  return simulation.alive.find((node) => node !== coordinator && node.rights().size > 0)!;
}

function decisionsSince(simulation: ClusterSimulation, epoch: number): Decision[] {
  return simulation.alive
    .flatMap((node) => node.core.decisions)
    .filter((decision) => decision.epoch > epoch)
    .sort((a, b) => a.epoch - b.epoch);
}

const reasons = (decisions: readonly Decision[]) =>
  decisions.map(({ action, nodeId, reason }) => `${action} ${nodeId}: ${reason}`);

describe('a cluster that starts', () => {
  it('admits the first supernode unverified and verifies it when a second one appears', () => {
    const simulation = new ClusterSimulation({ seed: 3, nodes: 2, loss: 0, duplication: 0 });
    simulation.start('A');
    expect(simulation.converge(10_000)).toBeDefined();
    const [a] = simulation.alive;
    expect(a!.core.nodes).toMatchObject([{ reachability: 'unverified', hasSeat: true }]);
    expect(reasons(a!.core.decisions)).toEqual(['promote A: first-seat']);

    simulation.start('B');
    simulation.clock.advance(10_000);

    expect(a!.core.nodes.map((node) => node.reachability)).toEqual(['verified', 'verified']);
    expect(seated(simulation)).toEqual(['A', 'B']);
  });

  it('gives no seat to a supernode that the active ones can not reach', () => {
    const simulation = calmCluster({ nodes: 4, settings: { minimumSeats: 4 } });
    simulation.kill('D');
    simulation.clock.advance(10_000);
    for (const other of ['A', 'B', 'C']) simulation.cut('D', other);
    simulation.start('D');

    simulation.clock.advance(20_000);

    const view = coordinatorOf(simulation).core.nodes.find((node) => node.record.nodeId === 'D')!;
    expect(view).toMatchObject({ reachability: 'unreachable', hasSeat: false });
    expect(view.objections).toContain('unreachable');
    expect(simulation.nodes.get('D')!.core.alerts.has('UNREACHABLE')).toBe(true);
  });
});

describe('a supernode that is killed', () => {
  it.each(['coordinator', 'home'])('is detected within 5 s, and its slots alone move (%s)', (role) => {
    const simulation = calmCluster({ nodes: 4, settings: { minimumSeats: 4 } });
    const victim = role === 'coordinator' ? coordinatorOf(simulation) : homeThatIsNotCoordinator(simulation);
    const { clock, database } = simulation;
    const before = ownersBySlot(simulation);
    const epoch = database.roster.epoch;
    const killedAt = clock.now;

    simulation.kill(victim.nodeId);

    expect(clock.advanceUntil(() => database.roster.epoch > epoch, 5_000)).toBe(true);
    const after = ownersBySlot(simulation);
    const moved = before.flatMap((owner, slot) => (owner === after[slot] ? [] : [owner]));
    expect(new Set(moved)).toEqual(new Set([victim.nodeId]));
    expect(after).not.toContain(victim.nodeId);
    expect(clock.advanceUntil(() => simulation.problem === undefined, 10_000)).toBe(true);
    expect(clock.now - killedAt).toBeLessThan(9_000);
  });

  it('is replaced at once by a standby, even when promotion is frozen', () => {
    const simulation = calmCluster({ nodes: 4 });
    simulation.database.controls = { isFrozen: true, pins: {} };
    simulation.clock.advance(2_000);
    const [standby] = simulation.ids.filter((id) => !seated(simulation).includes(id));
    const epoch = simulation.database.roster.epoch;
    const victim = homeThatIsNotCoordinator(simulation);

    simulation.kill(victim.nodeId);
    simulation.clock.advance(5_000);

    expect(seated(simulation)).toContain(standby);
    const [lost, replaced] = decisionsSince(simulation, epoch);
    expect(lost).toMatchObject({ action: 'demote', nodeId: victim.nodeId });
    expect(['lease-gone', 'unreachable-for-peers']).toContain(lost!.reason);
    expect(replaced).toMatchObject({ action: 'promote', nodeId: standby, reason: 'replaces-lost-seat' });
    expect(Object.keys(replaced!.terms!)).toContain('reachability');
  });

  it('is missed as long as nobody can take its seat', () => {
    const simulation = calmCluster({ nodes: 3 });
    const victim = homeThatIsNotCoordinator(simulation);
    const coordinator = coordinatorOf(simulation);
    simulation.kill(victim.nodeId);
    simulation.clock.advance(8_000);
    expect(seated(simulation)).toHaveLength(2);
    expect(coordinator.core.alerts.has('NO_CANDIDATE')).toBe(true);

    simulation.start(victim.nodeId);
    simulation.clock.advance(5_000);

    expect(seated(simulation)).toHaveLength(3);
    expect(coordinator.core.alerts.has('NO_CANDIDATE')).toBe(false);
  });
});

describe('a supernode that stands still', () => {
  it('does not act when it comes back, and follows the roster without it', () => {
    const simulation = calmCluster({ nodes: 4, settings: { minimumSeats: 4 } });
    const victim = homeThatIsNotCoordinator(simulation);
    victim.pause();
    simulation.clock.advance(15_000);

    expect(victim.rights().size).toBe(0);
    victim.resume();

    expect(victim.core.standing(victim.now())).toBe('suspended');
    expect(simulation.converge(10_000)).toBeDefined();
    expect(slotsOf(simulation.database.roster, victim.nodeId, victim.core.identity.incarnation).size).toBe(
      victim.rights().size,
    );
  });

  it('goes on after a stop shorter than its right', () => {
    const simulation = calmCluster();
    const victim = homeThatIsNotCoordinator(simulation);
    const epoch = simulation.database.roster.epoch;
    victim.pause();
    simulation.clock.advance(1_200);
    victim.resume();

    expect(victim.core.standing(victim.now())).toBe('acting');
    simulation.clock.advance(5_000);
    expect(simulation.database.roster.epoch).toBe(epoch);
  });
});

describe('without the lease store', () => {
  it('serves who is connected, changes no roster, and acts again afterwards', () => {
    const simulation = calmCluster();
    const { clock, leases, database } = simulation;
    const epoch = database.roster.epoch;
    leases.isUp = false;
    clock.advance(10_000);

    for (const node of simulation.alive) {
      expect(node.core.standing(node.now())).toBe('connected-only');
      expect(node.core.isCoordinator(node.now())).toBe(false);
      expect(node.core.alerts.has('LEASE_STORE_AWAY')).toBe(true);
    }
    leases.isUp = true;
    leases.empty();

    expect(simulation.converge(5_000)).toBeDefined();
    clock.advance(10_000);
    expect(database.roster.epoch).toBe(epoch);
    for (const node of simulation.alive) expect([...node.core.alerts.keys()]).toEqual([]);
  });

  it.each([0, 150, 300, 450, 600, 750, 900])(
    'has no moment without a right when the store is back (%d ms later)',
    (later) => {
      const simulation = calmCluster();
      const { clock, leases } = simulation;
      leases.isUp = false;
      clock.advance(10_000 + later);
      leases.isUp = true;

      const seen = new Set<string>();
      for (let ms = 0; ms < 5_000; ms += 10) {
        clock.advance(10);
        for (const node of simulation.alive) seen.add(node.core.standing(node.now()));
      }

      expect([...seen].sort()).toEqual(['acting', 'connected-only']);
      for (const node of simulation.alive) expect(node.core.standing(node.now())).toBe('acting');
    },
  );

  it("takes an emptied lease store for nobody's end", () => {
    const simulation = calmCluster({ nodes: 5, settings: { minimumSeats: 5 } });
    const epoch = simulation.database.roster.epoch;

    simulation.leases.empty();
    simulation.clock.advance(15_000);

    expect(simulation.database.roster.epoch).toBe(epoch);
    expect(simulation.problem).toBeUndefined();
  });

  it('replaces a supernode that alone is cut off, before which nobody else acts for its slots', () => {
    const simulation = calmCluster({ nodes: 4, settings: { minimumSeats: 4 } });
    const victim = homeThatIsNotCoordinator(simulation);
    const slots = [...victim.rights().keys()];

    simulation.cut(victim.nodeId, 'leases');
    simulation.clock.advance(12_000);

    expect(seated(simulation)).not.toContain(victim.nodeId);
    expect(victim.rights().size).toBe(0);
    const served = new Set(simulation.alive.flatMap((node) => [...node.rights().keys()]));
    for (const slot of slots) expect(served).toContain(slot);
  });

  it('freezes demotion when many leases vanish while their holders answer', () => {
    const simulation = calmCluster({ nodes: 6, settings: { minimumSeats: 6 } });
    const coordinator = coordinatorOf(simulation);
    const epoch = simulation.database.roster.epoch;
    const cutOff = simulation.alive.filter((node) => node !== coordinator).slice(0, 3);
    for (const node of cutOff) simulation.cut(node.nodeId, 'leases');

    simulation.clock.advance(20_000);

    expect(coordinatorOf(simulation).core.alerts.has('MASS_LEASE_LOSS')).toBe(true);
    expect(simulation.database.roster.epoch).toBe(epoch);

    const [dead] = cutOff;
    simulation.kill(dead!.nodeId);
    simulation.clock.advance(6_000);
    expect(seated(simulation)).not.toContain(dead!.nodeId);
  });
});

describe('without the database', () => {
  it('goes on by the leases with the roster as it is', () => {
    const simulation = calmCluster({ nodes: 4, settings: { minimumSeats: 4 } });
    const { clock, database } = simulation;
    const epoch = database.roster.epoch;
    database.isUp = false;
    clock.advance(20_000);

    for (const node of simulation.alive) expect(node.core.standing(node.now())).toBe('acting');
    simulation.kill(homeThatIsNotHolder(simulation));
    clock.advance(10_000);
    for (const node of simulation.alive) expect(node.core.standing(node.now())).toBe('acting');
    expect(database.roster.epoch).toBe(epoch);

    database.isUp = true;
    expect(simulation.converge(12_000)).toBeDefined();
    expect(database.roster.epoch).toBeGreaterThan(epoch);
  });

  it('does not act again after a pause until the database is back', () => {
    const simulation = calmCluster();
    const { clock, database } = simulation;
    database.isUp = false;
    clock.advance(5_000);
    const [victim] = simulation.alive;
    victim!.pause();
    clock.advance(4_000);
    victim!.resume();
    clock.advance(10_000);

    expect(victim!.core.standing(victim!.now())).toBe('connected-only');
    database.isUp = true;
    expect(simulation.converge(5_000)).toBeDefined();
  });

  it('takes the seat of a supernode that alone has none', () => {
    const simulation = calmCluster({ nodes: 4, settings: { minimumSeats: 4 } });
    const victim = homeThatIsNotCoordinator(simulation);
    const epoch = simulation.database.roster.epoch;

    simulation.cut(victim.nodeId, 'database');
    simulation.clock.advance(15_000);

    expect(reasons(decisionsSince(simulation, epoch))).toContain(`demote ${victim.nodeId}: database-lost`);
    expect(seated(simulation)).not.toContain(victim.nodeId);
  });
});

describe('peers', () => {
  it('take the seat of a supernode that they can not reach, whatever its lease says', () => {
    const simulation = calmCluster({ nodes: 5, settings: { minimumSeats: 4 } });
    const victim = homeThatIsNotCoordinator(simulation);
    const epoch = simulation.database.roster.epoch;
    for (const id of simulation.ids) if (id !== victim.nodeId) simulation.cut(id, victim.nodeId);

    simulation.clock.advance(8_000);

    expect(reasons(decisionsSince(simulation, epoch))[0]).toBe(
      `demote ${victim.nodeId}: unreachable-for-peers`,
    );
    // Its own probes fail towards everybody: it knows that this says more about itself.
    expect(seated(simulation)).toHaveLength(4);
  });

  it('do not judge each other across a split of the network: leases decide', () => {
    const simulation = calmCluster({ nodes: 6, settings: { minimumSeats: 6 } });
    const epoch = simulation.database.roster.epoch;
    for (const left of ['A', 'B', 'C']) for (const right of ['D', 'E', 'F']) simulation.cut(left, right);

    simulation.clock.advance(15_000);

    expect(simulation.database.roster.epoch).toBe(epoch);
    expect(coordinatorOf(simulation).core.alerts.has('NETWORK_SPLIT')).toBe(true);
  });
});

describe('a supernode that drains', () => {
  it.each(['coordinator', 'home'])('hands its slots over within two seconds, then leaves (%s)', (role) => {
    const simulation = calmCluster({ nodes: 4 });
    const { clock } = simulation;
    const victim = role === 'coordinator' ? coordinatorOf(simulation) : homeThatIsNotCoordinator(simulation);
    expect(victim.rights().size).toBeGreaterThan(0);

    victim.handle({ kind: 'drain' });

    expect(clock.advanceUntil(() => !victim.isAlive, 3_000)).toBe(true);
    const served = () => new Set(simulation.alive.flatMap((node) => [...node.rights().keys()])).size;
    expect(clock.advanceUntil(() => served() === simulation.settings.slotCount, 2_000)).toBe(true);
    expect(seated(simulation)).toHaveLength(3);
    expect(simulation.converge(6_000)).toBeDefined();
  });

  it('leaves at once where nobody could take over', () => {
    const simulation = calmCluster({ nodes: 1, settings: { minimumSeats: 1 } });
    const [only] = simulation.alive;

    only!.handle({ kind: 'drain' });

    expect(simulation.clock.advanceUntil(() => !only!.isAlive, 3_000)).toBe(true);
    expect(seated(simulation)).toEqual(['A']);
  });
});

describe('operators', () => {
  it('pin supernodes active and standby', () => {
    const simulation = calmCluster({ nodes: 4 });
    const [standby] = simulation.ids.filter((id) => !seated(simulation).includes(id));
    const [victim] = seated(simulation);
    const epoch = simulation.database.roster.epoch;
    simulation.database.controls = { isFrozen: true, pins: { [standby!]: 'active', [victim!]: 'standby' } };

    simulation.clock.advance(4_000);

    expect(seated(simulation)).toContain(standby);
    expect(seated(simulation)).not.toContain(victim);
    expect(reasons(decisionsSince(simulation, epoch)).sort()).toEqual(
      [`demote ${victim!}: pinned-standby`, `promote ${standby!}: pinned-active`].sort(),
    );
  });

  it('can ask why a slot is where it is', () => {
    const simulation = calmCluster();
    const [node] = simulation.alive;
    const [slot] = node!.rights().keys();

    const explanation = node!.core.explain(slot!, node!.now());

    expect(explanation).toMatchObject({ owner: node!.nodeId, standing: 'acting', waitsFor: [] });
    expect(explanation.ranking).toHaveLength(3);
    for (const { slots, limit } of explanation.ranking) expect(slots).toBeLessThanOrEqual(limit);
    expect(node!.core.homes(slot!)[0]?.nodeId).toBe(node!.nodeId);
    expect(node!.core.homes(slot!)).toHaveLength(3);
  });
});

describe('load', () => {
  it('brings one more seat after it has lasted, and slots come to it in steps', () => {
    const simulation = calmCluster({ nodes: 5, settings: { minimumSeats: 2, spareSeats: 1 } });
    simulation.clock.advance(20_000);
    const before = seated(simulation).length;
    const epoch = simulation.database.roster.epoch;
    for (const id of seated(simulation)) simulation.loads.set(id, 0.9);

    simulation.clock.advance(90_000);

    const decisions = decisionsSince(simulation, epoch);
    expect(seated(simulation).length).toBeGreaterThan(before);
    const promoted = decisions.filter((decision) => decision.reason === 'load-needs-it');
    expect(promoted.length).toBeGreaterThan(0);
    const weights = decisions.filter(
      (decision) => decision.reason === 'slow-start' && decision.nodeId === promoted[0]!.nodeId,
    );
    expect(weights.length).toBeGreaterThanOrEqual(simulation.settings.slowStartSteps);
    expect(simulation.database.roster.seats.every((seat) => seat.weight === 1)).toBe(true);
  });

  it('costs no seat when it goes up and down by 20%, and none when everybody is overloaded', () => {
    const simulation = calmCluster({ nodes: 5, settings: { minimumSeats: 2, spareSeats: 1 } });
    for (const id of simulation.ids) simulation.loads.set(id, 0.35);
    simulation.clock.advance(120_000);
    const epoch = simulation.database.roster.epoch;

    simulation.clock.advance(300_000);
    expect(simulation.database.roster.epoch).toBe(epoch);

    for (const id of simulation.ids) simulation.loads.set(id, 1.2);
    simulation.clock.advance(120_000);
    expect(decisionsSince(simulation, epoch).filter((decision) => decision.action === 'demote')).toEqual([]);
  });

  it('exchanges a weak seat for a strong candidate', () => {
    const simulation = calmCluster({ nodes: 4 });
    const victim = homeThatIsNotCoordinator(simulation);
    const epoch = simulation.database.roster.epoch;
    simulation.loads.set(victim.nodeId, 1.3);
    victim.degrade();

    simulation.clock.advance(120_000);

    expect(reasons(decisionsSince(simulation, epoch))).toContain(`demote ${victim.nodeId}: score-too-low`);
    expect(seated(simulation)).toHaveLength(3);
  });
});

/** Without the database nobody coordinates: anybody with slots may go. */
function homeThatIsNotHolder(simulation: ClusterSimulation): string {
  return simulation.alive.find((node) => node.rights().size > 0)!.nodeId;
}
