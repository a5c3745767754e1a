import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

/**
 * Whether what is installed below `root` is what its lock file says. npm writes what it installed into a hidden lock
 * file; optional packages are those of other platforms.
 */
export function installationMatchesLock(root) {
  const hiddenLock = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(hiddenLock)) return false;
  const installed = readPackages(hiddenLock);
  return Object.entries(readPackages(join(root, 'package-lock.json'))).every(([path, wanted]) => {
    if (!path.includes('node_modules/')) return true; // the root and the workspaces themselves
    const present = installed[path];
    return present === undefined ? wanted.optional === true : present.version === wanted.version;
  });
}
