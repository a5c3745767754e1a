import { describe, expect, it, jest } from '@jest/globals';
import { complaintsOf, runTool } from './workspace.ts';

jest.setTimeout(900_000);

const PROJECTS = ['libs/protocol', 'libs/nat', 'apps/supernode', 'apps/edge-client', 'test', 'tools'];

/** What belongs to no project, and so to no project's lint. */
const LOOSE_FILES = ['eslint.config.mjs', 'jest.config.mjs', 'jest.preset.mjs', '.ci/totals.mjs'];

describe('static checks', () => {
  // Nx lints only the projects that changed, or depend on what changed, since they were last found clean.
  it('find every project free of lint', async () => {
    const nx = 'node_modules/nx/dist/bin/nx.js';

    const outcome = await runTool([nx, 'run-many', '-t', 'lint', '--output-style=static']);

    expect(complaintsOf(outcome)).toBe('');
  });

  it('find what belongs to no project free of lint', async () => {
    const outcome = await runTool(['node_modules/eslint/bin/eslint.js', ...LOOSE_FILES]);

    expect(complaintsOf(outcome)).toBe('');
  });

  it('find every file formatted', async () => {
    const outcome = await runTool(['node_modules/prettier/bin/prettier.cjs', '--check', '.']);

    expect(complaintsOf(outcome)).toBe('');
  });

  it.each(PROJECTS)('find the specs of %s correctly typed', async (project) => {
    const compiler = 'node_modules/@ts/native/bin/tsc';

    const outcome = await runTool([compiler, '-p', `${project}/tsconfig.spec.json`, '--noEmit']);

    expect(complaintsOf(outcome)).toBe('');
  });
});
