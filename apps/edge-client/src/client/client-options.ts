import { DEFAULT_TENANT, tenantIdSchema, type TenantId } from '@parley/protocol';
import { edgeError } from '../errors.ts';
import type { IdentityStore } from '../identity/identity-store.ts';
import type { MessageStore } from '../messages/message-store.ts';
import type { TlsOptions, UdpOptions } from '../rendezvous/client-endpoint.ts';
import { DEFAULT_BACKOFF, type BackoffOptions } from '../signalling/backoff.ts';
import { processClock, type ClientClock } from './client-clock.ts';

/** Options of {@link EdgeClient.open}. */
export interface EdgeClientOptions {
  /** Address of a supernode's edge gateway, e.g. `https://node1.example.org`. */
  readonly url: string;
  /** Folder of the identity; made if missing. Exactly one of `dataDir` and `identityStore`. */
  readonly dataDir?: string;
  readonly identityStore?: IdentityStore;
  /** Where messages are kept. @default a file in `dataDir`; in memory beside an `identityStore` */
  readonly messageStore?: MessageStore;
  /** @default 'default' */
  readonly tenant?: string;
  /** Gives an access token of the app's own backend. Without it the account comes from open registration. */
  readonly token?: () => Promise<string>;
  /** How this device is called in the user's device list; only used when the identity is new. @default 'device' */
  readonly deviceName?: string;
  /** How long `connect` tries, in milliseconds. @default 15 000 */
  readonly connectTimeoutMs?: number;
  /** How long a request may take, in milliseconds. @default 10 000 */
  readonly requestTimeoutMs?: number;
  /** Window of the reconnects. @default 500 ms doubling up to 30 s, with full jitter */
  readonly backoff?: Partial<BackoffOptions>;
  readonly udp?: UdpOptions;
  readonly tls?: TlsOptions;
  /** @default the clocks of the process */
  readonly clock?: ClientClock;
}

export interface ResolvedOptions {
  readonly url: string;
  readonly tenant: TenantId;
  readonly deviceName: string;
  readonly token: (() => Promise<string>) | undefined;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly backoff: BackoffOptions;
  readonly udp: UdpOptions;
  readonly tls: TlsOptions;
  readonly clock: ClientClock;
}

/** @throws EDGE_OPTIONS_INVALID */
export function resolveOptions(options: EdgeClientOptions): ResolvedOptions {
  const tenant = tenantIdSchema.safeParse(options.tenant ?? DEFAULT_TENANT);
  if (!tenant.success) throw edgeError('EDGE_OPTIONS_INVALID', { message: 'The tenant is not a tenant id.' });
  if (!URL.canParse(options.url) || !/^(https?|wss?):$/.test(new URL(options.url).protocol)) {
    throw edgeError('EDGE_OPTIONS_INVALID', { message: 'The url is not an http(s) or ws(s) address.' });
  }
  return {
    url: options.url,
    tenant: tenant.data,
    deviceName: options.deviceName ?? 'device',
    token: options.token,
    connectTimeoutMs: options.connectTimeoutMs ?? 15_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
    backoff: { ...DEFAULT_BACKOFF, ...options.backoff },
    udp: options.udp ?? {},
    tls: options.tls ?? {},
    clock: options.clock ?? processClock,
  };
}
