import { DEFAULT_TENANT, tenantIdSchema, type TenantId } from '@parley/protocol';
import { edgeError } from '../errors.ts';
import type { IdentityStore } from '../identity/identity-store.ts';
import type { MessageStore } from '../messages/message-store.ts';
import type { TlsOptions, UdpOptions } from '../rendezvous/client-endpoint.ts';
import { DEFAULT_BACKOFF, type BackoffOptions } from '../signalling/backoff.ts';
import { processClock, type ClientClock } from './client-clock.ts';

/** Each of them may have to be waited for before the first is tried again. */
const MAX_URLS = 16;

/** Options of {@link EdgeClient.open}. */
export interface EdgeClientOptions {
  /**
   * Address of a supernode's edge gateway, e.g. `https://node1.example.org`, or several, in the order to try. Of a cluster a few are
   * enough: the client learns its home from any, and keeps it in its identity folder.
   */
  readonly url: string | readonly string[];
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
  /**
   * How long one supernode may take to accept a connection while there are others to try, in milliseconds; twice as long after each
   * such timeout, up to ten seconds. @default 2000
   */
  readonly hostTimeoutMs?: number;
  /** Window of the reconnects. @default 500 ms doubling up to 30 s, with full jitter */
  readonly backoff?: Partial<BackoffOptions>;
  readonly udp?: UdpOptions;
  readonly tls?: TlsOptions;
  /** @default the clocks of the process */
  readonly clock?: ClientClock;
}

export interface ResolvedOptions {
  readonly urls: readonly [string, ...string[]];
  readonly tenant: TenantId;
  readonly deviceName: string;
  readonly token: (() => Promise<string>) | undefined;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly hostTimeoutMs: number;
  readonly backoff: BackoffOptions;
  readonly udp: UdpOptions;
  readonly tls: TlsOptions;
  readonly clock: ClientClock;
}

/** @throws EDGE_OPTIONS_INVALID */
export function resolveOptions(options: EdgeClientOptions): ResolvedOptions {
  const tenant = tenantIdSchema.safeParse(options.tenant ?? DEFAULT_TENANT);
  if (!tenant.success) throw edgeError('EDGE_OPTIONS_INVALID', { message: 'The tenant is not a tenant id.' });
  return {
    urls: resolveUrls(options.url),
    tenant: tenant.data,
    deviceName: options.deviceName ?? 'device',
    token: options.token,
    connectTimeoutMs: options.connectTimeoutMs ?? 15_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
    hostTimeoutMs: options.hostTimeoutMs ?? 2000,
    backoff: { ...DEFAULT_BACKOFF, ...options.backoff },
    udp: options.udp ?? {},
    tls: options.tls ?? {},
    clock: options.clock ?? processClock,
  };
}

function resolveUrls(url: string | readonly string[]): readonly [string, ...string[]] {
  const [first, ...others] = typeof url === 'string' ? [url] : url;
  if (first === undefined || others.length >= MAX_URLS || ![first, ...others].every(isEdgeUrl)) {
    throw edgeError('EDGE_OPTIONS_INVALID', {
      message: `The url is not an http(s) or ws(s) address, or a list of one to ${String(MAX_URLS)} of them.`,
    });
  }
  return [first, ...others];
}

function isEdgeUrl(url: string): boolean {
  return URL.canParse(url) && /^(https?|wss?):$/.test(new URL(url).protocol);
}
