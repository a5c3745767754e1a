import type { Socket } from 'node:dgram';
import {
  decodeNatPmpResponse,
  encodeNatPmpExternalAddress,
  NatPmpResult,
} from '../port-mapping/nat-pmp-message.ts';
import { decodePcpResponse, encodePcpAnnounce, PcpResult } from '../port-mapping/pcp-message.ts';
import { connectedTo } from './port-mapping-driver.ts';

export interface PortMappingProbe {
  readonly pcp: boolean;
  readonly natPmp: boolean;
}

const REPEAT_MS = 250;

/** Which of the two protocols a gateway speaks; makes no mapping. @throws NatError `NAT_BIND_FAILED` */
export async function probePortMapping(gateway: string, timeoutMs: number): Promise<PortMappingProbe> {
  const socket = await connectedTo(gateway);
  const found = { pcp: false, natPmp: false };
  const questions = [encodePcpAnnounce(socket.address().address), encodeNatPmpExternalAddress()];
  await new Promise<void>((resolve) => {
    const ask = (): void => {
      for (const bytes of questions) {
        socket.send(bytes, (error) => {
          if (error !== null) end();
        });
      }
    };
    const repeat = setInterval(ask, REPEAT_MS);
    const end = (): void => {
      clearInterval(repeat);
      clearTimeout(deadline);
      resolve();
    };
    const deadline = setTimeout(end, timeoutMs);
    socket.on('message', (bytes) => {
      note(bytes, found);
      if (found.pcp && found.natPmp) end();
    });
    // A closed port is an answer too: nobody speaks either protocol there.
    socket.on('error', end);
    ask();
  });
  await closed(socket);
  return found;
}

function note(bytes: Uint8Array, found: { pcp: boolean; natPmp: boolean }): void {
  const natPmp = decodeNatPmpResponse(bytes);
  if (natPmp !== undefined && natPmp.result !== NatPmpResult.UNSUPPORTED_VERSION) found.natPmp = true;
  const pcp = decodePcpResponse(bytes);
  if (pcp?.kind === 'announce' && pcp.result === PcpResult.SUCCESS) found.pcp = true;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(resolve);
  });
}
