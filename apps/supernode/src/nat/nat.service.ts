import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { formatTransportAddress, transportAddress, type TransportAddress } from '@parley/nat';
import type { TurnServerControl } from '@parley/nat/node';
import type { FlowCredentials, RelayCredentials } from '@parley/protocol';
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
import { turnServers, turnsUris } from './turn-servers.ts';

export const RELAY_SUPERVISOR = Symbol('RelaySupervisor');

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

  constructor(
    @Inject(RELAY_SUPERVISOR) private readonly relay: RelaySupervisor | null,
    private readonly credentials: TurnCredentials,
    private readonly flows: FlowRegistry,
    @Inject(OWNERSHIP) private readonly ownership: Pick<Ownership, 'backupRelaysOf'>,
    @Inject(NAT_CONFIG) private readonly config: Pick<NatConfig, 'realm' | 'altAddress'>,
  ) {}

  async onModuleInit(): Promise<void> {
    this.starting = this.start();
    await this.starting;
  }

  /** After the gateway: clients on the TLS port are told to go elsewhere through the relay thread. */
  async onApplicationShutdown(): Promise<void> {
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
  stunServers(): readonly string[] {
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
    const access = await this.issueCredential({ tenantId: tenant, userId, deviceId });
    if (access === undefined) return undefined;
    const { username, password, realm, ttlSeconds } = access;
    const servers = [...turnServers(this.addresses(), this.relay?.tls.bound ?? [])];
    const backups = [...this.ownership.backupRelaysOf(tenant, userId)];
    return { username, password, realm, ttlSeconds, servers, ...(backups.length > 0 ? { backups } : {}) };
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
    if (this.relay === null) return;
    await this.credentials.load();
    await this.relay.start();
  }

  private tell(inputs: readonly TurnServerControl[]): void {
    for (const input of inputs) this.relay?.control(input);
  }
}
