import { fileURLToPath } from 'node:url';

/** The programs that the lab runs in its namespaces. */
export type ProgramName = 'link-process' | 'nat-process' | 'mapping-churn-process' | 'flush-process';

/** The compiled program, also when the lab itself runs from its sources. */
export function programPath(program: ProgramName): string {
  const folder = import.meta.url.endsWith('.ts') ? '../dist/natlab' : '.';
  return fileURLToPath(new URL(`${folder}/${program}.js`, import.meta.url));
}
