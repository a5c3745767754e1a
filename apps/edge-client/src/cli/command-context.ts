import { homedir } from 'node:os';
import { join } from 'node:path';
import { EdgeClient, type EdgeClientOptions, type UserId } from '../index.ts';
import type { Output } from './output.ts';

/** Options that every command takes. */
export interface GlobalOptions {
  readonly url: readonly string[];
  readonly data: string;
  readonly tenant: string;
  readonly token?: string;
  readonly json: boolean;
  readonly loopback: boolean;
  readonly portMapping: boolean;
}

export const DEFAULTS = {
  url: addressesOf(process.env['PARLEY_URL'] ?? 'http://127.0.0.1:8080'),
  data: process.env['PARLEY_DATA'] ?? join(homedir(), '.parley'),
  tenant: process.env['PARLEY_TENANT'] ?? 'default',
} as const;

/** Addresses of supernodes, with commas between them. */
export function addressesOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
}

/** What a command works with. */
export interface CommandContext {
  readonly options: GlobalOptions;
  readonly output: Output;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

export function clientOptions({ options }: CommandContext): EdgeClientOptions {
  const { url, data, tenant, token, loopback, portMapping } = options;
  return {
    url,
    dataDir: data,
    tenant,
    ...(token === undefined ? {} : { token: () => Promise.resolve(token) }),
    udp: { includeLoopback: loopback, portMapping },
  };
}

/** Runs an action with an open client and closes it whatever happens. */
export async function withClient<Result>(
  context: CommandContext,
  action: (client: EdgeClient) => Promise<Result>,
): Promise<Result> {
  const client = await EdgeClient.open(clientOptions(context));
  client.on('security-alert', ({ userId, error }) => {
    context.output.note(`Warning: a device list of ${userId} was refused: ${error.message} (${error.code})`);
  });
  client.on('cluster-alert', ({ error }) => {
    context.output.note(`Warning: ${error.message} (${error.code})`);
  });
  client.on('recovery-code', ({ code }) => {
    context.output.note(`Recovery code, shown this once: ${code}`);
  });
  try {
    return await action(client);
  } finally {
    await client.close();
  }
}

/** As {@link withClient}, online. */
export function withOnlineClient<Result>(
  context: CommandContext,
  action: (client: EdgeClient) => Promise<Result>,
): Promise<Result> {
  return withClient(context, async (client) => {
    const giveUp = () => void client.close();
    context.signal.addEventListener('abort', giveUp);
    await client.connect();
    context.signal.removeEventListener('abort', giveUp);
    client.on('state', ({ to, cause }) => {
      if (cause !== 'close-called') context.output.note(`Connection: ${to} (${cause}).`);
    });
    return action(client);
  });
}

/** The user that a handle or a user id (`id:…`) names. */
export async function findUser(client: EdgeClient, name: string): Promise<{ userId: UserId; label: string }> {
  const entry = await client.directory.lookup(
    name.startsWith('id:') ? { userId: name.slice(3) as UserId } : { handle: name },
  );
  return { userId: entry.userId, label: entry.handle ?? entry.userId };
}

/** Resolves when Ctrl-C is pressed or the time is over. */
export function untilStopped(signal: AbortSignal, seconds?: number): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const timer = seconds === undefined ? undefined : setTimeout(resolve, seconds * 1000);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
