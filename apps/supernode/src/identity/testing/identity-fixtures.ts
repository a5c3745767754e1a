import { randomUUID } from 'node:crypto';
import { DEFAULT_TENANT } from '@parley/protocol';
import type { ConnectionContext } from '../connection-context.ts';
import { ClusterIdentity } from '../cluster-identity.ts';
import type { ClusterKeyRecord, KeyringStore } from '../keyring.port.ts';
import type { Tenant } from '../tenants.port.ts';

/** A keyring in memory; a second identity on the same one is the same cluster after a restart. */
export class MemoryKeyring implements KeyringStore {
  private readonly settings = new Map<string, string>();
  private readonly keys = new Map<string, ClusterKeyRecord[]>();

  settingOrCreate(key: string, candidate: string): Promise<string> {
    const value = this.settings.get(key) ?? candidate;
    this.settings.set(key, value);
    return Promise.resolve(value);
  }

  keysOrCreate(purpose: string, candidate: ClusterKeyRecord): Promise<readonly ClusterKeyRecord[]> {
    const keys = this.keys.get(purpose) ?? [candidate];
    this.keys.set(purpose, keys);
    return Promise.resolve(keys);
  }

  /** Puts a key in front, as a rotation does. */
  rotate(purpose: string, next: (newest: ClusterKeyRecord) => ClusterKeyRecord): void {
    const keys = this.keys.get(purpose) ?? [];
    const [newest] = keys;
    if (newest) this.keys.set(purpose, [next(newest), ...keys]);
  }
}

export async function startedIdentity(keyring: KeyringStore = new MemoryKeyring()): Promise<ClusterIdentity> {
  const identity = new ClusterIdentity(keyring);
  await identity.onModuleInit();
  return identity;
}

/** A connection that nobody listens on. */
export function quietConnection(source = '192.0.2.1'): ConnectionContext {
  return { source, isOpen: true, challenge: undefined, send: () => undefined };
}

export function tenantWith(settings: Partial<Tenant> = {}): Tenant {
  return {
    id: DEFAULT_TENANT,
    apiSecret: null,
    jwksUrl: null,
    tokenIssuer: null,
    tokenAudience: null,
    openRegistration: true,
    ...settings,
  };
}

/** A secret that no other test knows. */
export function newSecret(): string {
  return randomUUID() + randomUUID();
}
