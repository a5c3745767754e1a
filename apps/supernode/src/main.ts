#!/usr/bin/env node
import 'reflect-metadata';
import { runConfigCommand } from './config/config-command.ts';
import { loadProcessConfig } from './config/load-config.ts';
import { SupernodeError } from './errors.ts';
import {
  KEY_PURPOSES,
  MAXIMUM_OVERLAP_DAYS,
  OVERLAP_DAYS,
  type KeyPurpose,
} from './identity/key-rotation.ts';

const USAGE = `parley-supernode                        start a supernode; settings are environment variables
parley-supernode backup <folder>        copy the data folder of a stopped supernode
parley-supernode restore <folder>       make the data folder (it must be new) from such a copy
parley-supernode export <file>          write all data of a stopped supernode to a new file
parley-supernode import <file>          fill the empty database of DATABASE_URL from such a file
parley-supernode rotate-keys <purpose> [overlap in days]
                                        add a key of the cluster: roster (90) or access-token (0)
parley-supernode raise-epoch            after a restore: outrank all that was seen since the backup
parley-supernode config check           say whether the settings are right
parley-supernode config print-defaults  print every setting with its default
parley-supernode config docs [folder]   print the reference of settings, or write all references into a checkout
parley-supernode openapi                print the description of the admin API
`;
const EX_USAGE = 64;

async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  if (command === undefined) return serve();
  if (command === 'config') return runConfigCommand(rest, process.stdout);
  // The server is loaded by the commands that need it: the others answer at once.
  if (command === 'openapi') {
    const { renderOpenApi } = await import('./admin/openapi-document.ts');
    process.stdout.write(await renderOpenApi());
    return 0;
  }
  const [folder] = rest;
  if ((command === 'backup' || command === 'restore') && folder !== undefined)
    return copyData(command, folder);
  if ((command === 'export' || command === 'import') && folder !== undefined)
    return transferData(command, folder);
  if (command === 'rotate-keys') {
    const request = rotationRequest(rest);
    if (request) return rotate(request);
  }
  if (command === 'raise-epoch' && rest.length === 0) return raise();
  const isHelp = command === '--help' || command === 'help';
  (isHelp ? process.stdout : process.stderr).write(USAGE);
  return isHelp ? 0 : EX_USAGE;
}

async function copyData(command: 'backup' | 'restore', folder: string): Promise<number> {
  const { dataDir, databaseUrl } = loadProcessConfig().storage;
  if (databaseUrl !== undefined) {
    throw new SupernodeError(
      'SN_BACKUP_REFUSED',
      'DATABASE_URL is set: use the tools of that server (pg_dump).',
    );
  }
  const { backUpDataFolder, restoreDataFolder } = await import('./persistence/embedded/folder-copy.ts');
  if (command === 'backup') await backUpDataFolder(dataDir, folder);
  else await restoreDataFolder(folder, dataDir);
  process.stdout.write(`${JSON.stringify({ event: command, dataDir, folder })}\n`);
  return 0;
}

async function transferData(command: 'export' | 'import', file: string): Promise<number> {
  const { storage } = loadProcessConfig();
  const { exportToFile, importFromFile } = await import('./persistence/transfer/transfer-file.ts');
  const rows = await (command === 'export' ? exportToFile(storage, file) : importFromFile(storage, file));
  process.stdout.write(`${JSON.stringify({ event: command, file, rows })}\n`);
  return 0;
}

interface RotationRequest {
  readonly purpose: KeyPurpose;
  readonly overlapDays: number;
}

function rotationRequest([name, days, ...rest]: readonly string[]): RotationRequest | undefined {
  const purpose = KEY_PURPOSES.find((known) => known === name);
  if (purpose === undefined || rest.length > 0) return undefined;
  const overlapDays = days === undefined ? OVERLAP_DAYS[purpose] : Number(days);
  const isGood = Number.isInteger(overlapDays) && overlapDays >= 0 && overlapDays <= MAXIMUM_OVERLAP_DAYS;
  return isGood ? { purpose, overlapDays } : undefined;
}

async function rotate({ purpose, overlapDays }: RotationRequest): Promise<number> {
  const { storage } = loadProcessConfig();
  const { rotateKeys } = await import('./persistence/operator-commands.ts');
  const rotated = await rotateKeys(storage, purpose, overlapDays, Date.now());
  process.stdout.write(`${JSON.stringify({ event: 'rotate-keys', purpose, ...rotated })}\n`);
  return 0;
}

async function raise(): Promise<number> {
  const { storage } = loadProcessConfig();
  const { raiseEpoch } = await import('./persistence/operator-commands.ts');
  process.stdout.write(`${JSON.stringify({ event: 'raise-epoch', epoch: await raiseEpoch(storage) })}\n`);
  return 0;
}

/** Serves until SIGTERM or SIGINT. */
async function serve(): Promise<number> {
  const stopAsked = new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  const config = loadProcessConfig();
  const { createSupernode } = await import('./create-supernode.ts');
  const supernode = await createSupernode(config);
  process.stdout.write(
    `${JSON.stringify({ event: 'ready', ...supernode.addresses, nodeId: supernode.nodeId })}\n`,
  );
  await stopAsked;
  await supernode.stop();
  return 0;
}

/** What was printed may still be on its way: a pipe takes 64 KiB at a time. */
function printed(): Promise<void> {
  return new Promise((resolve) => process.stdout.write('', () => resolve()));
}

try {
  const status = await main(process.argv.slice(2));
  await printed();
  // Everything is stopped by now; a stray timer must not keep the process.
  process.exit(status);
} catch (error) {
  // A mistake of the operator is told in one message; only a bug shows where it happened.
  const isOurs = error instanceof SupernodeError && error.code !== 'SN_INVARIANT';
  const text = isOurs
    ? `${error.code}: ${error.message}`
    : String(error instanceof Error ? error.stack : error);
  process.stderr.write(`parley-supernode: ${text}\n`);
  process.exit(error instanceof SupernodeError ? error.exitCode : 1);
}
