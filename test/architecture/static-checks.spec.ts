import { describe, expect, it } from '@jest/globals';
import { runTool } from './workspace.ts';

const PROJECTS = ['libs/protocol', 'libs/nat', 'apps/supernode', 'apps/edge-client', 'test', 'tools'];
const TIMEOUT_MS = 600_000;

/** Nx runs only the projects that changed, or depend on what changed, since they were last found clean. */
const LINT = ['node_modules/nx/dist/bin/nx.js', 'run-many', '-t', 'lint', '--output-style=static'];

describe('static checks', () => {
  it(
    'find every project free of lint',
    async () => {
      expect(await runTool(LINT)).toMatchObject({ exitCode: 0 });
    },
    TIMEOUT_MS,
  );

  it(
    'find what belongs to no project free of lint',
    async () => {
      const files = ['eslint.config.mjs', 'jest.config.mjs', 'jest.preset.mjs', '.ci/totals.mjs'];

      expect(await runTool(['node_modules/eslint/bin/eslint.js', ...files])).toMatchObject({
        exitCode: 0,
        stdout: '',
      });
    },
    TIMEOUT_MS,
  );

  it(
    'find every file formatted',
    async () => {
      const outcome = await runTool(['node_modules/prettier/bin/prettier.cjs', '--check', '.']);

      expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    },
    TIMEOUT_MS,
  );

  it.each(PROJECTS)(
    'find the specs of %s correctly typed',
    async (project) => {
      const compiler = 'node_modules/@ts/native/bin/tsc';

      const outcome = await runTool([compiler, '-p', `${project}/tsconfig.spec.json`, '--noEmit']);

      expect(outcome).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    },
    TIMEOUT_MS,
  );
});
