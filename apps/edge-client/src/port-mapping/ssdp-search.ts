import { createSocket } from 'node:dgram';
import { isIPv4 } from 'node:net';

const SSDP_PORT = 1900;
const SSDP_GROUP = '239.255.255.250';
const REPEAT_MS = 500;
const MAX_ANSWER_BYTES = 2048;
const TARGETS = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
  'urn:schemas-upnp-org:device:InternetGatewayDevice:1',
];

/**
 * Where the gateway describes itself as an internet gateway device. Everybody on the local network hears the question; only what
 * the gateway itself answers counts, and only an address of its own. Undefined where it does not.
 */
export async function searchGateway(
  gateway: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<URL | undefined> {
  if (signal?.aborted === true) return undefined;
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    const end = (found?: URL): void => {
      clearInterval(repeat);
      clearTimeout(deadline);
      signal?.removeEventListener('abort', giveUp);
      socket.removeAllListeners();
      // A question may still be on its way out, and its failure changes nothing.
      socket.on('error', () => undefined);
      socket.close();
      resolve(found);
    };
    const giveUp = (): void => {
      end();
    };
    const ask = (): void => {
      for (const target of TARGETS) {
        const question = questionFor(target);
        for (const host of [gateway, SSDP_GROUP]) socket.send(question, SSDP_PORT, host, () => undefined);
      }
    };
    const repeat = setInterval(ask, REPEAT_MS);
    const deadline = setTimeout(giveUp, timeoutMs);
    signal?.addEventListener('abort', giveUp);
    socket.on('message', (bytes, { address }) => {
      const location = address === gateway ? locationOf(bytes, gateway) : undefined;
      if (location !== undefined) end(location);
    });
    socket.on('error', giveUp);
    ask();
  });
}

/** The LOCATION of an answer; undefined unless it is an HTTP address of the gateway. */
export function locationOf(answer: Uint8Array, gateway: string): URL | undefined {
  if (answer.length > MAX_ANSWER_BYTES) return undefined;
  const [status = '', ...lines] = Buffer.from(answer).toString('latin1').split('\r\n');
  if (!/^HTTP\/1\.[01] 200/.test(status)) return undefined;
  const value =
    lines
      .find((line) => /^location:/i.test(line))
      ?.slice('location:'.length)
      .trim() ?? '';
  return URL.canParse(value) ? ofGateway(new URL(value), gateway) : undefined;
}

/** The address itself, if the gateway is its host and it is plain HTTP. */
export function ofGateway(url: URL, gateway: string): URL | undefined {
  const isItsOwn = url.protocol === 'http:' && isIPv4(url.hostname) && url.hostname === gateway;
  return isItsOwn && url.username === '' && url.password === '' ? url : undefined;
}

function questionFor(target: string): Buffer {
  return Buffer.from(
    [
      'M-SEARCH * HTTP/1.1',
      `HOST: ${SSDP_GROUP}:${String(SSDP_PORT)}`,
      'MAN: "ssdp:discover"',
      'MX: 1',
      `ST: ${target}`,
      '',
      '',
    ].join('\r\n'),
  );
}
