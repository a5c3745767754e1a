import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const PACKAGE = 'hyperdht@6.34.0';

/**
 * Puts the yardstick into a folder of its own: nobody who only builds or tests needs its 57 packages. Its binaries come inside
 * the packages; no install script runs.
 */
export async function installHyperdht(folder: string): Promise<void> {
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  const words = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-save', PACKAGE];
  await promisify(execFile)('npm', words, { cwd: folder });
}
