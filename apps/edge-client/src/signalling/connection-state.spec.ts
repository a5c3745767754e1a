import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { CONNECTION_TRANSITIONS, isTransition, type ConnectionState } from './connection-state.ts';

const PAGE = new URL('../../../../docs/architecture/edge-client.md', import.meta.url);

describe('the connection states of docs/architecture/edge-client.md', () => {
  it('are those of the table, with the same transitions', () => {
    const drawn = [...readFileSync(PAGE, 'utf8').matchAll(/^ {2}(\w+) --> (\w+)$/gm)].map(
      ([, from = '', to = '']) => `${from} ${to}`,
    );
    const table = Object.entries(CONNECTION_TRANSITIONS).flatMap(([from, targets]) =>
      targets.map((to) => `${from} ${to}`),
    );

    expect(drawn).toEqual(table);
  });

  it('know no way back from closed', () => {
    for (const state of Object.keys(CONNECTION_TRANSITIONS) as ConnectionState[]) {
      expect(isTransition('closed', state)).toBe(false);
    }
  });
});
