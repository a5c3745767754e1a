import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { redisAvailability } from '@parley/test/cluster';
import type { ClusterDemoResult } from './cluster-result.ts';

const ENTRY = fileURLToPath(new URL('../../dist/demo/main.js', import.meta.url));
const CLIENTS = 12;
const DEADLINE_MS = 300_000;

interface Demo {
  readonly code: number;
  readonly answer: string;
  readonly story: string;
}

/** The built demo as a user runs it. */
function runDemo(...words: string[]): Promise<Demo> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [ENTRY, ...words],
      { timeout: DEADLINE_MS, maxBuffer: 1 << 26 },
      (error, answer, story) => resolve({ code: error ? Number(error.code) : 0, answer, story }),
    );
  });
}

const missing = await redisAvailability();
// Where everything is to be tried, the demo itself fails and says what it lacks.
const isSkipped = missing !== undefined && process.env['CI'] !== 'true';
const describeDemo = isSkipped ? describe.skip : describe;
const why = isSkipped ? ` (skipped: ${missing.reason})` : '';

/**
 * A few clients, and what does not depend on how busy the machine is. That sessions are back within a second, and nobody is shown as
 * offline meanwhile, is the verdict of the demo itself: beside other work a processor that is late breaks it, so that here it must only
 * be the one that its exit code and its story tell.
 */
describeDemo(`npm run demo -- cluster${why}`, () => {
  let demo: Demo;
  let result: ClusterDemoResult;

  beforeAll(async () => {
    demo = await runDemo('cluster', `--clients=${CLIENTS}`, '--json');
    const last = demo.answer.trimEnd().split('\n').at(-1) ?? '';
    if (last === '') throw new Error(`no result; ${demo.story}`);
    result = JSON.parse(last) as ClusterDemoResult;
  }, DEADLINE_MS);

  it('kills the coordinator and then a home, and both are replaced', () => {
    const { supernodes, clients, blows } = result;
    expect({ supernodes, clients }).toEqual({ supernodes: 4, clients: CLIENTS });
    expect(blows.map(({ killed }) => killed)).toEqual(['coordinator', 'home']);
    expect(new Set(blows.map(({ nodeId }) => nodeId)).size).toBe(2);
    for (const { nodeId, rosterMs, coordinator } of blows) {
      expect(rosterMs).toBeGreaterThan(0);
      expect(coordinator).toMatch(/^node-\d$/);
      expect(coordinator).not.toBe(nodeId);
      expect(demo.story).toContain(`SIGKILL: ${nodeId}, `);
      expect(demo.story).toContain(`${coordinator} coordinates; roster of epoch `);
    }
  });

  it('brings everybody home again, and tells so', () => {
    const { blows } = result;
    for (const { lastReHomedMs } of blows) expect(lastReHomedMs).not.toBeNull();
    const told = demo.story.match(/ is at node-\d now, \d+ ms after it lost its home$/gm) ?? [];
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeGreaterThanOrEqual(blows.reduce((sum, { reHomed }) => sum + reHomed, 0));
  });

  it('breaks no session, neither of those through the lost relay nor of the others', () => {
    for (const { untouched, throughLostRelay, conversations } of result.blows) {
      expect(conversations).toHaveLength(CLIENTS);
      expect(untouched.count + throughLostRelay.count).toBe(CLIENTS);
      expect(untouched.count).toBeGreaterThan(0);
      expect(conversations.filter(({ broken }) => broken !== null)).toEqual([]);
    }
    expect(result.blows[1]?.throughLostRelay.count).toBeGreaterThan(0);
  });

  it('loses no message', () => {
    const { stored } = result.messages;
    expect(stored).toBeGreaterThan(CLIENTS);
    expect(result.messages).toEqual({ stored, receivedOnce: stored, lost: 0, duplicates: 0 });
  });

  it('ends as it judged', () => {
    const failed = demo.story.match(/^ *[\d.]+s {2}FAIL .*$/gm) ?? [];
    expect({ code: demo.code, failed: failed.length > 0 }).toEqual(
      result.ok ? { code: 0, failed: false } : { code: 1, failed: true },
    );
    // Whatever was too late: nothing else may have failed.
    expect(failed.filter((line) => !/the longest silence was|was shown as offline/.test(line))).toEqual([]);
  });
});

describe('the command of the demo', () => {
  it('tells its options', async () => {
    const { code, answer } = await runDemo('--help');

    expect({ code, answer }).toEqual({ code: 0, answer: expect.stringContaining('--clients=') });
  });

  it('refuses those that it does not have', async () => {
    const { code, story } = await runDemo('cluster', '--client=4');

    expect({ code, story }).toEqual({ code: 2, story: expect.stringContaining('usage: npm run demo') });
  });
});
