import { CALL_STATES, CALL_TRANSITIONS, type CallState } from '../call-state.ts';

/** The table as a Mermaid state diagram; causes between the same two states share an arrow. */
export function callStateDiagram(): string {
  const lines = ['stateDiagram-v2', '  [*] --> proposed'];
  for (const from of CALL_STATES) {
    const causesTo = new Map<CallState, string[]>();
    for (const [cause, to] of Object.entries(CALL_TRANSITIONS[from]) as [string, CallState][]) {
      causesTo.set(to, [...(causesTo.get(to) ?? []), cause]);
    }
    for (const [to, causes] of causesTo) lines.push(`  ${from} --> ${to}: ${causes.join(', ')}`);
  }
  return [...lines, '  ended --> [*]'].join('\n');
}
