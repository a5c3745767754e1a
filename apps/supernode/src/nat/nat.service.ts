import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { formatTransportAddress, transportAddress, type TransportAddress } from '@parley/nat';
import type { TurnServerControl } from '@parley/nat/node';
import type { FlowCredentials, RelayCredentials } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { NAT_CONFIG } from '../config/config.module.ts';
import type { NatConfig } from '../config/config.schema.ts';
import type { FlowOccasion, RelayAccess } from '../gateway/relay-access.port.ts';
import { SupernodeError } from '../errors.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import { urlOf, type BoundUrls } from '../listeners.ts';
import { FlowRegistry } from './flow-registry.ts';
import type { RelayStats } from './relay-messages.ts';
import type { RelaySupervisor } from './relay-supervisor.ts';
import type { StunListeners } from './stun-listeners.port.ts';
import type { TurnCredentialOwner } from './turn-credential-ids.ts';
import type { TlsSettings } from './tls-front.ts';
import { TurnCredentials, type IssuedTurnCredential } from './turn-credentials.ts';
import { hostOf, serversElsewhere, turnServers, turnsUris } from './turn-servers.ts';

export const RELAY_SUPERVISOR = Symbol('RelaySupervisor');

const TELL_RELAYS_MS = 2_000;
/** Until a relay takes the credentials of a tenant that is new. */
const LEARN_TENANTS_MS = 30_000;

/** A credential with where and how to use it. */
export interface TurnAccess extends IssuedTurnCredential {
  readonly realm: string;
  /** RFC 7064 and 7065. */
  readonly uris: readonly string[];
}

/** STUN and TURN as the rest of the supernode sees them. Without the relay role there are none. */
@Injectable()
export class NatService implements StunListeners, RelayAccess, OnModuleInit, OnApplicationShutdown {
  private starting: Promise<void> | undefined;
  private cancelTelling: () => void = () => undefined;
  private cancelLearning: () => void = () => undefined;

  constructor(
    @Inject(RELAY_SUPERVISOR) private readonly relay: RelaySupervisor | null,
    private readonly credentials: TurnCredentials,
    private readonly flows: FlowRegistry,
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'otherRelaysOf' | 'relayAddresses'>,
    @Inject(NAT_CONFIG) private readonly config: Pick<NatConfig, 'realm' | 'altAddress'>,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
    private readonly background: BackgroundTasks,
  ) {}

  async onModuleInit(): Promise<void> {
    this.starting = this.start();
    await this.starting;
  }

  /** After the gateway: clients on the TLS port are told to go elsewhere through the relay thread. */
  async onApplicationShutdown(): Promise<void> {
    this.cancelTelling();
    this.cancelLearning();
    await this.relay?.stop();
  }

  /** Resolves when the listeners are bound; at once without the relay role. */
  async ready(): Promise<void> {
    await this.starting;
  }

  /** As clients see them; empty without the relay role. */
  addresses(): readonly TransportAddress[] {
    return this.relay?.visible() ?? [];
  }

  listening(): readonly TransportAddress[] {
    return this.relay?.listening() ?? [];
  }

  async listenTls(settings: Omit<TlsSettings, 'hosts' | 'visible'>): Promise<BoundUrls> {
    const hosts = this.relay?.hosts() ?? [];
    const bound = await this.relay?.tls.open({
      ...settings,
      hosts: hosts.map(({ address }) => address),
      visible: hosts.map(({ visible }) => visible),
    });
    const [first, ...others] = (bound ?? []).map(({ address, port }) => urlOf('https', address, port));
    if (first === undefined)
      throw new SupernodeError('SN_RELAY_UNAVAILABLE', 'There is no relay thread for the TLS port.');
    return [first, ...others];
  }

  /** At the alternate address too: only who asks two addresses learns whether its NAT looks at them. */
  stunServers({ tenant, userId }: DeviceAddress): readonly string[] {
    if (this.relay === null) return this.ownership.otherRelaysOf(tenant, userId);
    const { altAddress } = this.config;
    const [beside] =
      altAddress === undefined
        ? []
        : this.addresses().filter(({ family }) => family === transportAddress(altAddress, 0).family);
    const alternate = beside && altAddress !== undefined ? [transportAddress(altAddress, beside.port)] : [];
    return [...this.addresses(), ...alternate].map(formatTransportAddress);
  }

  /** Undefined for an unknown tenant and without the relay role. */
  async issueCredential(owner: Required<TurnCredentialOwner>): Promise<TurnAccess | undefined> {
    if (this.relay === null) return undefined;
    const issued = await this.credentials.issue(owner);
    if (issued === undefined) return undefined;
    this.tell(issued.learnt);
    const uris = [
      ...this.relayServers().flatMap((server) => [
        `stun:${server}`,
        `turn:${server}?transport=udp`,
        `turn:${server}?transport=tcp`,
      ]),
      ...turnsUris(this.relay.tls.bound),
    ];
    return { ...issued.credential, realm: this.config.realm, uris };
  }

  /** Ends the allocations of a device, or of all devices of a user, and refuses credentials issued so far. */
  async revokeCredentials(owner: TurnCredentialOwner): Promise<void> {
    if (this.relay !== null) this.tell(await this.credentials.revoke(owner));
  }

  async issue({ tenant, userId, deviceId }: DeviceAddress): Promise<RelayCredentials | undefined> {
    const others = this.ownership.otherRelaysOf(tenant, userId);
    const { servers, backups } =
      this.relay === null
        ? serversElsewhere(others)
        : { servers: turnServers(this.addresses(), this.relay.tls.bound), backups: others };
    if (servers.length === 0) return undefined;
    const issued = await this.credentials.issue({ tenantId: tenant, userId, deviceId });
    if (issued === undefined) return undefined;
    this.tell(issued.learnt);
    const { username, password, ttlSeconds } = issued.credential;
    return {
      username,
      password,
      realm: this.config.realm,
      ttlSeconds,
      servers: [...servers],
      ...(backups.length > 0 ? { backups: [...backups] } : {}),
    };
  }

  openFlow(device: DeviceAddress, occasion: FlowOccasion): FlowCredentials | undefined {
    return this.relay === null ? undefined : this.flows.open(device, this.relayServers(), occasion);
  }

  async isRelaying(): Promise<boolean> {
    const stats = await this.stats();
    return stats !== undefined && stats.turn.allocations + stats.flow.relayPairs > 0;
  }

  async revoke(device: DeviceAddress): Promise<void> {
    this.flows.close(device);
    const { tenant, userId, deviceId } = device;
    await this.revokeCredentials({ tenantId: tenant, userId, deviceId });
  }

  /** Undefined without the relay role, and while the relay is being started again. */
  async stats(): Promise<RelayStats | undefined> {
    return this.relay?.stats();
  }

  private relayServers(): readonly string[] {
    return this.addresses().map(formatTransportAddress);
  }

  private async start(): Promise<void> {
    // Without the role too: what is issued then is good at the relays of others.
    await this.credentials.load();
    if (this.relay === null) return;
    await this.relay.start();
    this.tellRelays(this.relay);
    this.learnTenants();
  }

  /**
   * Both ends of a session may be relayed at different supernodes, which may have addresses that are no peers else (DESIGN 6.10).
   * Told again and again: a relay thread that was started anew knows none.
   */
  private tellRelays(relay: RelaySupervisor): void {
    const addresses = this.ownership.relayAddresses().map(hostOf);
    if (addresses.length > 0) relay.control({ kind: 'set-relay-addresses', addresses });
    this.cancelTelling = this.scheduler.after(TELL_RELAYS_MS, () => this.tellRelays(relay));
  }

  /** The homes of a tenant's users offer this relay, which may itself never have issued anything for that tenant. */
  private learnTenants(): void {
    this.cancelLearning = this.scheduler.after(LEARN_TENANTS_MS, () => {
      void this.background.attempt('Learning the relay secrets of new tenants', async () =>
        this.tell(await this.credentials.learn()),
      );
      this.learnTenants();
    });
  }

  private tell(inputs: readonly TurnServerControl[]): void {
    for (const input of inputs) this.relay?.control(input);
  }
}
