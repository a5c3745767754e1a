import { beforeAll, describe, expect, it } from '@jest/globals';
import { BOUNDARY_CASES } from './boundary-cases.ts';
import { runTool } from './workspace.ts';

interface Finding {
  readonly rule: string;
  readonly message: string;
}

interface Report {
  readonly findings: readonly (readonly Finding[])[];
  readonly bans: readonly string[];
}

const SNIPPETS = BOUNDARY_CASES.flatMap(({ forbidden, allowed }) => [forbidden, allowed]);
const TIMEOUT_MS = 120_000;

describe('boundaries › the linter enforces the import rules of ARCHITECTURE.md', () => {
  let report: Report;

  beforeAll(async () => {
    // The rule between projects reads the project graph that Nx keeps, and is silent without it.
    const graph = await runTool(['node_modules/nx/dist/bin/nx.js', 'show', 'projects']);
    expect(graph).toMatchObject({ exitCode: 0 });
    const linted = await runTool(['test/architecture/lint-snippets.mjs'], {
      input: JSON.stringify(SNIPPETS),
    });
    expect(linted).toMatchObject({ exitCode: 0, stderr: '' });
    report = JSON.parse(linted.stdout) as Report;
  }, TIMEOUT_MS);

  describe.each(BOUNDARY_CASES.map((entry, index) => ({ ...entry, index })))(
    '$title',
    ({ rule, forbidden, allowed, index }) => {
      it(`is caught by ${rule} in ${forbidden.file}`, () => {
        expect(report.findings[2 * index]?.map((finding) => finding.rule)).toContain(rule);
      });

      it(`is allowed where it belongs: ${allowed.file}`, () => {
        expect(report.findings[2 * index + 1]).toEqual([]);
      });
    },
  );

  it('has a case for every ban that the configuration declares', () => {
    const seen = report.findings.flat().map(({ message }) => message);

    expect(report.bans.filter((ban) => !seen.some((message) => message.includes(ban)))).toEqual([]);
    expect(report.bans.length).toBeGreaterThan(10);
  });
});
