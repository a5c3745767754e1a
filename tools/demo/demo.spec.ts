import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { labAvailability } from '@parley/test/natlab';
import type { DemoResult } from './result.ts';

const ENTRY = fileURLToPath(new URL('../dist/demo/main.js', import.meta.url));
const DEADLINE_MS = 300_000;

/** Runs the built demo as a user does; gives its exit code and the object on its last line. */
function runDemo(...options: string[]): Promise<{ code: number; result: DemoResult; story: string }> {
  return new Promise((resolve, reject) => {
    const words = [ENTRY, '--json', ...options];
    execFile(process.execPath, words, { timeout: DEADLINE_MS }, (error, stdout, stderr) => {
      const last = stdout.trimEnd().split('\n').at(-1) ?? '';
      if (last === '') reject(new Error(`no result; ${stderr}`));
      else
        resolve({
          code: error ? Number(error.code) : 0,
          result: JSON.parse(last) as DemoResult,
          story: stderr,
        });
    });
  });
}

function expectMedia({ scenarios, mailbox, call }: DemoResult): void {
  expect(mailbox).toEqual({ sent: 1, receivedOnce: 1 });
  expect(call.rangMs).toBeGreaterThan(0);
  expect(call.mos).toBeGreaterThanOrEqual(3.6);
  for (const { file, voice } of scenarios) {
    expect(file).toEqual({ bytes: 20_000_000, sha256Match: true });
    expect(voice.framesSent).toBe(594);
    expect(voice.framesReceived).toBeGreaterThan(580);
  }
}

describe('npm run demo', () => {
  it(
    `talks directly and over the relay (${labAvailability().kind})`,
    async () => {
      const { code, result, story } = await runDemo();
      const [direct, relayed] = result.scenarios;

      expect({ code, ok: result.ok, story: result.ok ? '' : story }).toEqual({
        code: 0,
        ok: true,
        story: '',
      });
      expect(direct).toMatchObject({ name: 'direct', path: 'direct' });
      expect(direct!.packets.direct).toBeGreaterThan(direct!.packets.viaSupernode);
      expect(relayed).toMatchObject({
        name: 'relayed',
        path: 'relayed',
        upgradeMs: null,
        packets: { direct: 0 },
      });
      expectMedia(result);
    },
    DEADLINE_MS,
  );

  it(
    'does the same on loopback where there are no namespaces',
    async () => {
      const { code, result, story } = await runDemo('--loopback');

      expect({ code, ok: result.ok, story: result.ok ? '' : story }).toEqual({
        code: 0,
        ok: true,
        story: '',
      });
      expect(result).toMatchObject({ lab: 'loopback', scenarios: [{ path: 'direct' }, { path: 'relayed' }] });
      expectMedia(result);
    },
    DEADLINE_MS,
  );
});
