import { beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { trackedFiles, WORKSPACE } from './workspace.ts';

const MAX_DECISION_LINES = 60;

function read(file: string): string {
  return readFileSync(join(WORKSPACE, file), 'utf8');
}

/** Targets of Markdown links that are files of this repository, without the part after `#`. */
function linkedFiles(file: string): string[] {
  const targets = [...read(file).matchAll(/\]\(([^)\s#]+)(#[^)]*)?\)/g)].map(([, target]) => String(target));
  return targets.filter((target) => !/^[a-z]+:/.test(target)).map((target) => join(dirname(file), target));
}

describe('documents', () => {
  let pages: string[];

  beforeAll(async () => {
    pages = (await trackedFiles()).filter((file) => file.endsWith('.md'));
  });

  it('link to files that exist', () => {
    const broken = pages.flatMap((page) =>
      linkedFiles(page)
        .filter((target) => !existsSync(join(WORKSPACE, target)))
        .map((target) => `${page}: ${target}`),
    );

    expect(broken).toEqual([]);
    expect(pages.flatMap(linkedFiles).length).toBeGreaterThan(20);
  });

  it('name only commands that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = pages.flatMap((page) => [
      ...read(page).matchAll(/\bnpm (?:run ([a-z:]+)|(test|start)\b)/g),
    ]);
    const unknown = named.map(([, run, short]) => String(run ?? short)).filter((name) => !(name in scripts));

    expect(unknown).toEqual([]);
    expect(named.length).toBeGreaterThan(5);
  });

  it('list every decision in their index, each with a status and no longer than a page', () => {
    const decisions = pages.filter((page) => /^docs\/adr\/\d{4}-/.test(page));
    const index = linkedFiles('docs/adr/README.md').map((file) => basename(file));

    expect(decisions.map((page) => basename(page)).filter((name) => !index.includes(name))).toEqual([]);
    expect(decisions.filter((page) => !/^Status: (accepted|replaced by \d{4})/m.test(read(page)))).toEqual(
      [],
    );
    expect(decisions.filter((page) => read(page).split('\n').length > MAX_DECISION_LINES)).toEqual([]);
    expect(decisions.length).toBeGreaterThan(5);
  });
});
