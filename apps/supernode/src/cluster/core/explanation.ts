import type { NodeId } from '../node-record.ts';
import { seatOf, type Roster, type Seat } from '../roster.ts';
import type { Slot } from '../slot.ts';
import type { Assessment } from './assessment.ts';
import { ranking, shareOf } from './assignment.ts';
import type { NodeView, SlotExplanation, Standing } from './cluster-io.ts';
import type { ClusterSettings } from './cluster-settings.ts';

/** Seats in the order in which clients of a slot should try them: its owner, then those that would follow it. */
export function homesOfSlot(roster: Roster, slot: Slot): Seat[] {
  const owner = seatOf(roster, slot);
  const others = ranking(roster.seats, slot)
    .flatMap((index) => roster.seats[index] ?? [])
    .filter((seat) => seat !== owner);
  return owner === undefined ? others : [owner, ...others];
}

export function explainSlot(
  roster: Roster,
  slot: Slot,
  own: { readonly nodeId: NodeId; readonly standing: Standing; readonly waitsFor: readonly NodeId[] },
  settings: ClusterSettings,
): SlotExplanation {
  const owner = seatOf(roster, slot)?.nodeId;
  const counts = new Map<number, number>();
  for (const index of roster.owners) counts.set(index, (counts.get(index) ?? 0) + 1);
  return {
    slot,
    rosterEpoch: roster.epoch,
    coordinator: roster.coordinator,
    owner,
    slotEpoch: roster.slotEpochs[slot],
    ranking: ranking(roster.seats, slot).flatMap((index) => {
      const seat = roster.seats[index];
      if (seat === undefined) return [];
      const { nodeId, weight } = seat;
      const { limit } = shareOf(roster.seats, weight, settings.slotCount, settings.boundedLoad);
      return [{ nodeId, weight, slots: counts.get(index) ?? 0, limit }];
    }),
    standing: owner === own.nodeId ? own.standing : undefined,
    waitsFor: own.waitsFor,
  };
}

export function nodeViews(assessment: Assessment): NodeView[] {
  return [...assessment.nodes.values()].map((node) => ({
    record: node.member.record,
    reachability: node.reachability,
    verdict: node.verdict,
    objections: node.objections,
    score: node.score,
    terms: node.terms,
    hasSeat: node.seat !== undefined,
  }));
}
