import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runTool, WORKSPACE } from './workspace.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-entry-'));
});

afterEach(async () => rm(folder, { recursive: true, force: true }));

describe('bootstrap', () => {
  it('names its commands when asked for another, and leaves standard output alone', async () => {
    const outcome = await runTool(['tools/bootstrap.mjs', 'dance']);

    expect(outcome).toMatchObject({ exitCode: 1, stdout: '' });
    expect(outcome.stderr).toContain('test|demo|bench|start');
  });

  const wanted = {
    '': { version: '0.1.0' },
    'libs/nat': { version: '0.1.0' },
    'node_modules/a': { version: '1.0.0' },
    'node_modules/for-another-platform': { version: '1.0.0', optional: true },
  };

  it.each([
    ['as locked', { 'node_modules/a': { version: '1.0.0' } }, true],
    ['in another version', { 'node_modules/a': { version: '1.0.1' } }, false],
    ['not at all', {}, false],
    [
      'with another version for the platform',
      { ...wanted, 'node_modules/for-another-platform': { version: '2.0.0' } },
      false,
    ],
    ['into no folder yet', undefined, false],
  ])('finds packages installed %s', async (_, installed, expected) => {
    await writeFile(join(folder, 'package-lock.json'), JSON.stringify({ packages: wanted }));
    await mkdir(join(folder, 'node_modules'));
    const hiddenLock = join(folder, 'node_modules/.package-lock.json');
    if (installed !== undefined) await writeFile(hiddenLock, JSON.stringify({ packages: installed }));

    const check = pathToFileURL(join(WORKSPACE, 'tools/installed-packages.mjs')).href;
    const program = `import(process.argv[1]).then((m) => console.log(m.installationMatchesLock(process.argv[2])))`;
    const { stdout } = await runTool(['-e', program, check, folder]);

    expect(stdout.trim()).toBe(String(expected));
  });
});

describe('.ci/totals', () => {
  const clean = {
    numPassedTests: 7,
    numFailedTests: 0,
    numPendingTests: 1,
    numTodoTests: 1,
    numRuntimeErrorTestSuites: 0,
  };

  it.each([
    ['passes when all did', clean, '0', '7 passed, 0 failed, 2 skipped', 0],
    ['fails with a test', { ...clean, numFailedTests: 2 }, '1', '7 passed, 2 failed, 2 skipped', 1],
    [
      'fails with a test even if jest forgot to',
      { ...clean, numFailedTests: 2 },
      '0',
      '7 passed, 2 failed, 2 skipped',
      1,
    ],
    [
      'fails with a suite that could not be loaded',
      { ...clean, numRuntimeErrorTestSuites: 1 },
      '1',
      '7 passed, 1 failed, 2 skipped',
      1,
    ],
    ['fails with jest', clean, '134', '7 passed, 0 failed, 2 skipped', 134],
    ['fails when no test ran', { ...clean, numPassedTests: 0 }, '0', '0 passed, 0 failed, 2 skipped', 1],
    ['fails without a report', undefined, '1', '0 passed, 0 failed, 0 skipped', 1],
    [
      'fails without a report even if the exit code was lost',
      undefined,
      '0',
      '0 passed, 0 failed, 0 skipped',
      1,
    ],
  ])('%s', async (_, report, jestStatus, line, exitCode) => {
    const file = join(folder, 'jest.json');
    if (report !== undefined) await writeFile(file, JSON.stringify(report));

    expect(await runTool(['.ci/totals.mjs', file, jestStatus])).toEqual({
      exitCode,
      stdout: `${line}\n`,
      stderr: '',
    });
  });
});
