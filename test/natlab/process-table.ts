import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The network namespaces in which `pids` run, as the kernel names them. */
export function networkNamespacesOf(pids: readonly number[]): Set<string> {
  return new Set(pids.flatMap((pid) => networkNamespaceOf(pid) ?? []));
}

/** Every process of this machine whose parent is `parent`. */
export function childrenOf(parent: number): number[] {
  return allPids().filter((pid) => parentOf(pid) === parent);
}

/** Every process that runs in one of `namespaces`: as long as there is one, the namespace exists. */
export function processesIn(namespaces: ReadonlySet<string>): number[] {
  return allPids().filter((pid) => namespaces.has(networkNamespaceOf(pid) ?? ''));
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function networkNamespaceOf(pid: number): string | undefined {
  return unlessGone(() => readlinkSync(`/proc/${pid}/ns/net`));
}

function parentOf(pid: number): number | undefined {
  const status = unlessGone(() => readFileSync(`/proc/${pid}/status`, 'utf8'));
  const parent = status === undefined ? undefined : /^PPid:\t(\d+)$/m.exec(status)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

const GONE: readonly unknown[] = ['ENOENT', 'ESRCH', 'EACCES'];

/** Processes end while they are looked at, and other users' processes do not show where they run. */
function unlessGone<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (GONE.includes((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}
