import type {
  GatewayCheck,
  NatBehaviourReport,
  NetcheckReport,
  RelayCheck,
  TlsRelayCheck,
  TransportAddress,
} from '../index.ts';
import { withOnlineClient, type CommandContext } from './command-context.ts';

/** `parley netcheck` */
export async function netcheckCommand(context: CommandContext): Promise<void> {
  await withOnlineClient(context, async (client) => {
    const report = await client.netcheck({ onProgress: (step) => context.output.note(`Checking ${step} …`) });
    context.output.result(report, describe(report).join('\n'));
  });
}

function describe(report: NetcheckReport): readonly string[] {
  const { ipv4, ipv6, crossCheck, relay, relayOverTls, portMapping } = report;
  return [
    `IPv4: ${describeBehaviour(ipv4)}`,
    `IPv6: ${describeBehaviour(ipv6)}`,
    `Cross-check by the stun package: ${
      crossCheck?.agrees === undefined
        ? (crossCheck?.error ?? 'not possible')
        : crossCheck.agrees
          ? 'agrees'
          : 'differs'
    }`,
    `Relay: ${describeRelay(relay)}`,
    `Relay over TLS: ${describeRelay(relayOverTls)}`,
    `Port mapping: ${describeGateway(portMapping)}`,
  ];
}

function describeBehaviour(report: NatBehaviourReport | undefined): string {
  if (!report) return 'not measured, the supernode has no address of this family';
  if (report.udp === 'blocked') return 'UDP is blocked, no server answered';
  const roundTrip = report.roundTripMs === undefined ? '' : `, ${report.roundTripMs.toFixed(1)} ms`;
  return [
    `${formatAddress(report.reflexiveAddress)}${report.isTranslated ? ' (translated)' : ''}${roundTrip}`,
    `mapping ${report.mapping.behaviour} (ports: ${report.mapping.allocation.kind})`,
    `filtering ${report.filtering.behaviour}`,
    `hairpinning ${report.hairpinning}`,
  ].join('; ');
}

function describeGateway({ gateway, pcp, natPmp, upnp }: GatewayCheck): string {
  if (gateway === undefined) return 'no IPv4 gateway';
  const spoken = [
    ...(pcp ? ['PCP'] : []),
    ...(natPmp ? ['NAT-PMP'] : []),
    ...(upnp === undefined ? [] : [upnp === 2 ? 'UPnP' : 'UPnP of version 1, which is not used']),
  ];
  return spoken.length === 0 ? 'the gateway speaks none of PCP, NAT-PMP and UPnP' : spoken.join(', ');
}

function describeRelay(relay: RelayCheck | TlsRelayCheck | undefined): string {
  if (!relay) return 'none offered';
  if (relay.error) return `unusable (${relay.error})`;
  return `works as ${formatAddress(relay.address)}, ${relay.roundTripMs?.toFixed(1) ?? '?'} ms there and back`;
}

function formatAddress(address: TransportAddress | undefined): string {
  if (!address) return 'no address';
  return address.family === 'ipv6'
    ? `[${address.address}]:${String(address.port)}`
    : `${address.address}:${String(address.port)}`;
}
