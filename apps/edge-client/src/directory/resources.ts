import { LIMITS, type ResponseOf } from '@parley/protocol';
import { asEdgeError, type EdgeClientError } from '../errors.ts';
import { TypedEvents } from '../client/typed-events.ts';
import type { SendRequest, Signalling } from '../signalling/signalling.ts';

/** What a device offers, by kind (`file`, `room`) and key. */
export interface ResourceName {
  readonly kind: string;
  readonly key: string;
}

/** Options of {@link Resources.announce}. */
export interface AnnounceOptions {
  /** How long the index keeps it if this client vanishes, in milliseconds. @default 60 000 */
  readonly ttlMs?: number;
  readonly attributes?: Readonly<Record<string, string>>;
}

interface ResourceEvents {
  /** An announcement could not be renewed and may lapse. */
  readonly 'renewal-failed': { readonly name: ResourceName; readonly error: EdgeClientError };
}

interface Announcement {
  readonly name: ResourceName;
  readonly ttlMs: number;
  readonly attributes: Readonly<Record<string, string>> | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** The resource index: announcements are renewed until they are withdrawn. */
export class Resources {
  readonly #signalling: Signalling;
  readonly #events = new TypedEvents<ResourceEvents>();
  readonly #announced = new Map<string, Announcement>();

  constructor(signalling: Signalling) {
    this.#signalling = signalling;
  }

  on<Name extends keyof ResourceEvents>(
    name: Name,
    listener: (event: ResourceEvents[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener);
  }

  /** Announces until `withdraw` or the end of the client. @throws LIMIT_EXCEEDED, BAD_REQUEST */
  async announce(name: ResourceName, options: AnnounceOptions = {}): Promise<void> {
    const announcement: Announcement = {
      name: { kind: name.kind, key: name.key },
      ttlMs: Math.min(LIMITS.maxResourceTtlMs, Math.max(LIMITS.minResourceTtlMs, options.ttlMs ?? 60_000)),
      attributes: options.attributes,
      timer: undefined,
    };
    await announceOnce(this.#signalling.request, announcement);
    this.#stop(keyOf(name));
    this.#announced.set(keyOf(name), announcement);
    this.#renewLater(announcement);
  }

  async withdraw(name: ResourceName): Promise<void> {
    this.#stop(keyOf(name));
    await this.#signalling.request('resource.withdraw', { kind: name.kind, key: name.key });
  }

  /** Who offers it, as far as the caller may see their presence. */
  find(name: ResourceName, options: { readonly limit?: number } = {}): Promise<ResponseOf<'resource.find'>> {
    return this.#signalling.request('resource.find', { kind: name.kind, key: name.key, ...options });
  }

  /** A fresh sign-in lost the announcements of the one before. */
  async resync(request: SendRequest): Promise<void> {
    for (const announcement of this.#announced.values()) {
      await announceOnce(request, announcement);
      this.#renewLater(announcement);
    }
  }

  close(): void {
    for (const key of [...this.#announced.keys()]) this.#stop(key);
  }

  #renewLater(announcement: Announcement): void {
    clearTimeout(announcement.timer);
    announcement.timer = setTimeout(() => {
      announceOnce(this.#signalling.request, announcement).then(
        () => this.#isCurrent(announcement) && this.#renewLater(announcement),
        (thrown: unknown) => {
          if (!this.#isCurrent(announcement)) return;
          const error = asEdgeError(thrown, 'EDGE_CONNECTION_LOST');
          this.#events.emit('renewal-failed', { name: announcement.name, error });
          // Offline, the next sign-in announces again; else the next half-life tries.
          this.#renewLater(announcement);
        },
      );
    }, announcement.ttlMs / 2);
    announcement.timer.unref();
  }

  #isCurrent(announcement: Announcement): boolean {
    return this.#announced.get(keyOf(announcement.name)) === announcement;
  }

  #stop(key: string): void {
    clearTimeout(this.#announced.get(key)?.timer);
    this.#announced.delete(key);
  }
}

async function announceOnce(request: SendRequest, { name, ttlMs, attributes }: Announcement): Promise<void> {
  await request('resource.announce', {
    ...name,
    ttlMs,
    ...(attributes ? { attributes: { ...attributes } } : {}),
  });
}

function keyOf({ kind, key }: ResourceName): string {
  return `${kind} ${key}`;
}
