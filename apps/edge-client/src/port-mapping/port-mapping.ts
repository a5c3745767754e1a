import { sameTransportAddress, type TransportAddress } from '@parley/nat';
import { nodeCrypto, PortMappingDriver } from '@parley/nat/node';
import { DropCounter } from '../client/drop-counter.ts';
import { findDefaultGateway } from './default-gateway.ts';
import { UpnpLease } from './upnp-lease.ts';

export interface PortMappingOptions {
  /** The IPv4 socket that is to be reached. */
  readonly socket: TransportAddress;
  /** Where a gateway says that it can be reached from outside; undefined: no longer. */
  readonly onMapped: (address: TransportAddress | undefined) => void;
}

/** After a mapping was lost. */
const RETRY_MS = 30_000;
const ANY_ADDRESS = '0.0.0.0';

/** One attempt to get along with one gateway. */
interface Attempt {
  readonly gateway: string;
  readonly driver: PortMappingDriver;
  hasTriedUpnp: boolean;
  lease: UpnpLease | undefined;
}

/**
 * Keeps a port of the default gateway for the client's socket: by PCP, else by NAT-PMP, else by UPnP. Nothing waits for it and
 * nothing fails with it; what goes wrong is counted.
 */
export class PortMapping {
  readonly #options: PortMappingOptions;
  readonly #drops = new DropCounter<string>();
  #attempt: Attempt | undefined;
  #told: TransportAddress | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** What runs in the background, one thing after the other. */
  #work: Promise<void> = Promise.resolve();
  readonly #closing = new AbortController();

  constructor(options: PortMappingOptions) {
    this.#options = options;
  }

  /** Asks the gateway, or looks whether gateway and mapping still are what they were. */
  refresh(): void {
    this.#enqueue('refresh', () => this.#look());
  }

  drops(): Readonly<Partial<Record<string, number>>> {
    return this.#drops.snapshot();
  }

  /** Gives the mapping back. */
  async close(): Promise<void> {
    if (this.#isClosed()) return;
    this.#closing.abort();
    clearTimeout(this.#timer);
    await this.#work;
    await this.#leave();
  }

  async #look(): Promise<void> {
    const gateway = await findDefaultGateway();
    const attempt = this.#attempt;
    if (attempt !== undefined && gateway === attempt.gateway && (await this.#isSameWay(attempt))) {
      attempt.driver.confirm();
      if (attempt.lease !== undefined) await this.#renew(attempt);
      return;
    }
    await this.#leave();
    if (gateway === undefined) this.#drops.count('no-gateway');
    else await this.#begin(gateway);
  }

  async #begin(gateway: string): Promise<void> {
    const { socket } = this.#options;
    const driver = await PortMappingDriver.open({
      crypto: nodeCrypto,
      gateway,
      internalPort: socket.port,
      events: {
        mapped: (external) => this.#mappedBy(attempt, external),
        lost: (cause) => {
          this.#drops.count(`lost-${cause}`);
          if (this.#attempt === attempt && attempt.lease === undefined) this.#tell(undefined);
        },
        silent: () => {
          this.#drops.count('gateway-silent');
          this.#tryUpnp(attempt);
        },
        refused: (protocol, result) => {
          this.#drops.count(`${protocol}-refused-${String(result)}`);
          this.#tryUpnp(attempt);
        },
        drop: (reason) => this.#drops.count(reason),
      },
    });
    const attempt: Attempt = { gateway, driver, hasTriedUpnp: false, lease: undefined };
    this.#attempt = attempt;
    if (socket.address === ANY_ADDRESS || socket.address === driver.client) return;
    this.#drops.count('socket-elsewhere');
    await this.#leave();
  }

  /** The protocols in which a gateway says how long it gives a port come first. */
  #mappedBy(attempt: Attempt, external: TransportAddress): void {
    if (this.#attempt !== attempt) return;
    attempt.hasTriedUpnp = false;
    this.#tell(external);
    if (attempt.lease !== undefined) this.#enqueue('upnp-release', () => this.#release(attempt));
  }

  #tryUpnp(attempt: Attempt): void {
    if (attempt.hasTriedUpnp) return;
    attempt.hasTriedUpnp = true;
    this.#enqueue('upnp', async () => {
      if (this.#attempt !== attempt || hasMapping(attempt)) return;
      const { gateway, driver } = attempt;
      const { port: internalPort } = this.#options.socket;
      const lease = await UpnpLease.obtain({
        gateway,
        client: driver.client,
        internalPort,
        signal: this.#closing.signal,
      });
      if (typeof lease === 'string') {
        this.#drops.count(lease);
        return;
      }
      attempt.lease = lease;
      if (hasMapping(attempt)) {
        await this.#release(attempt);
        return;
      }
      this.#tell(lease.external);
      this.#renewLater(attempt, lease.renewAfterMs);
    });
  }

  async #renew(attempt: Attempt): Promise<void> {
    const { lease } = attempt;
    if (this.#attempt !== attempt || lease === undefined) return;
    const isRenewed = await lease.renew().catch(() => false);
    if (isRenewed) {
      this.#tell(lease.external);
      this.#renewLater(attempt, lease.renewAfterMs);
      return;
    }
    this.#drops.count('lost-upnp');
    await this.#leave();
    this.#later(RETRY_MS, () => this.refresh());
  }

  #renewLater(attempt: Attempt, delayMs: number): void {
    this.#later(delayMs, () => {
      this.#enqueue('upnp-renew', () => this.#renew(attempt));
    });
  }

  #later(delayMs: number, action: () => void): void {
    clearTimeout(this.#timer);
    if (this.#isClosed()) return;
    this.#timer = setTimeout(action, delayMs);
    this.#timer.unref();
  }

  async #isSameWay({ gateway, driver }: Attempt): Promise<boolean> {
    return (await PortMappingDriver.clientTowards(gateway)) === driver.client;
  }

  async #leave(): Promise<void> {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.#tell(undefined);
    if (attempt === undefined) return;
    await Promise.all([attempt.driver.close(), this.#release(attempt)]);
  }

  async #release(attempt: Attempt): Promise<void> {
    const { lease } = attempt;
    attempt.lease = undefined;
    if (lease === undefined) return;
    const isReleased = await lease.release().catch(() => false);
    if (!isReleased) this.#drops.count('upnp-not-released');
  }

  #tell(address: TransportAddress | undefined): void {
    const told = this.#told;
    if (told === address || (told && address && sameTransportAddress(told, address))) return;
    this.#told = address;
    if (!this.#isClosed()) this.#options.onMapped(address);
  }

  #enqueue(step: string, action: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#isClosed()) return;
      await action().catch((error: unknown) => {
        const code = error instanceof Error ? error.name : 'unknown';
        this.#drops.count(`${step}-failed-${code}`);
      });
    });
  }

  #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }
}

function hasMapping({ driver }: Attempt): boolean {
  return driver.external !== undefined;
}
