/** Faults that tests plant around the cores of a simulation, to see that its checkers notice each of them. */
import type { Roster } from '../../roster.ts';
import type { ClusterCore } from '../cluster-core.ts';
import type { ClusterInput, ClusterOutput } from '../cluster-io.ts';
import type { ClusterSettings } from '../cluster-settings.ts';

/** What the checkers say of it, and within how many seeds from the first on they must. */
export const PLANTED_FAULTS = {
  'owner acts after its tenure has ended': { violation: 'may act for slot', seeds: 20 },
  'owner acts for slots that it lost': { violation: 'may act for slot', seeds: 20 },
  'new owner does not wait for the former one': { violation: 'may act for slot', seeds: 20 },
  'clock stands still while the process does': { violation: 'may act for slot', seeds: 40 },
  'roster is written without comparing epochs': { violation: 'was stored after', seeds: 20 },
  'refused roster counts as written': { violation: 'two rosters of epoch', seeds: 400 },
  'lower epoch is followed': { violation: 'went from epoch', seeds: 100 },
  'coordinator acts after its lease has ended': { violation: 'coordinates after its lease', seeds: 300 },
  'seats are taken while that is frozen': { violation: 'while elections are frozen', seeds: 200 },
  'relay that nobody reaches counts as reached': { violation: 'nobody ever reached its relay', seeds: 40 },
  'who only relays counts as index': { violation: 'though it only relays', seeds: 40 },
  'loss of a seat moves slots of others': { violation: 'though it kept its seat', seeds: 20 },
  'seat gets more than its bounded share': { violation: 'has more than', seeds: 20 },
} as const satisfies Record<string, { readonly violation: string; readonly seeds: number }>;
export type PlantedFault = keyof typeof PLANTED_FAULTS;

/** The settings that cores have, where those of the stores and checkers are `settings`. */
export function settingsOfCores(
  settings: ClusterSettings,
  planted: PlantedFault | undefined,
): ClusterSettings {
  switch (planted) {
    case 'new owner does not wait for the former one':
      return { ...settings, handoverMs: 0 };
    case 'coordinator acts after its lease has ended':
      return { ...settings, coordinatorTtlMs: 10 * settings.coordinatorTtlMs };
    case 'seat gets more than its bounded share':
      return { ...settings, boundedLoad: 3 };
    default:
      return settings;
  }
}

/** What a core is told instead of `input`. */
export function heard(
  input: ClusterInput,
  core: ClusterCore,
  planted: PlantedFault | undefined,
): ClusterInput {
  switch (planted) {
    case 'refused roster counts as written':
      return input.kind === 'roster-write-ended' && input.outcome === 'conflict'
        ? { ...input, outcome: 'written' }
        : input;
    case 'lower epoch is followed':
      if ((input.kind === 'roster-announced' || input.kind === 'roster-read') && input.roster.epoch > 0) {
        const { epoch } = input.roster;
        if (epoch < core.roster.epoch) core.roster = { ...core.roster, epoch: epoch - 1 };
      }
      return input;
    case 'relay that nobody reaches counts as reached':
      return input.kind === 'probe-answered' ? { ...input, relayReached: true } : input;
    case 'who only relays counts as index':
      return input.kind === 'leases-read'
        ? { ...input, records: input.records.map((record) => ({ ...record, roles: ['index', 'relay'] })) }
        : input;
    case 'seats are taken while that is frozen':
      return input.kind === 'roster-read'
        ? { ...input, controls: { ...input.controls, isFrozen: false } }
        : input;
    default:
      return input;
  }
}

/** What is carried out instead of `output`. */
export function performed(output: ClusterOutput, planted: PlantedFault | undefined): ClusterOutput {
  if (planted !== 'loss of a seat moves slots of others' || output.kind !== 'write-roster') return output;
  return { ...output, roster: withTwoSlotsExchanged(output.roster) };
}

function withTwoSlotsExchanged(roster: Roster): Roster {
  const [one, other] = [roster.owners.indexOf(0), roster.owners.indexOf(1)];
  if (one === -1 || other === -1) return roster;
  const owners = roster.owners.with(one, 1).with(other, 0);
  return {
    ...roster,
    owners,
    slotEpochs: roster.slotEpochs.with(one, roster.epoch).with(other, roster.epoch),
  };
}
