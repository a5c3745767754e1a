import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { get as httpGet, type IncomingMessage, type RequestOptions } from 'node:http';
import { get as httpsGet } from 'node:https';
import { z } from 'zod';
import { stun } from './stun-package.ts';

/** Where a supernode answers who it is, on its edge listener. */
export const IDENTITY_PATH = '/cluster/identity';

const identitySchema = z.object({
  clusterId: z.string(),
  nodeId: z.string(),
  incarnation: z.int(),
  rosterEpoch: z.int(),
});
/** What a supernode answers at {@link IDENTITY_PATH}. Anybody may read it; it proves nothing. */
export type PeerIdentity = z.infer<typeof identitySchema>;

/** A look at another supernode from outside. Undefined: it was not reached, or something else answered. */
export interface PeerProbe {
  identity(edgeUrl: string, timeoutMs: number): Promise<PeerIdentity | undefined>;
  /** Our own address as the STUN server at `address:port` sees it. IPv4 only. */
  reflexiveAddress(stunServer: string, timeoutMs: number): Promise<string | undefined>;
}

export const PEER_PROBE = Symbol('PeerProbe');

const MAX_ANSWER_BYTES = 4096;
/** The second request after a third of the time: the package doubles it before it gives up. */
const STUN_ATTEMPTS = { retries: 1, share: 3 };

/** Probes by sockets of their own each time: a connection that is kept says nothing of whether a new one comes through. */
export class SocketPeerProbe implements PeerProbe {
  async identity(edgeUrl: string, timeoutMs: number): Promise<PeerIdentity | undefined> {
    const url = httpUrl(edgeUrl);
    if (!url) return undefined;
    const text = await textAt(url, timeoutMs);
    const parsed = identitySchema.safeParse(jsonOf(text));
    return parsed.success ? parsed.data : undefined;
  }

  async reflexiveAddress(stunServer: string, timeoutMs: number): Promise<string | undefined> {
    const socket = createSocket('udp4');
    // Without a listener, a network that is away would end the process.
    const failed = new Promise<undefined>((resolve) => socket.once('error', () => resolve(undefined)));
    try {
      socket.bind(0);
      await Promise.race([once(socket, 'listening'), failed]);
      const timeout = Math.round(timeoutMs / STUN_ATTEMPTS.share);
      const asked = stun.request(stunServer, { socket, timeout, retries: STUN_ATTEMPTS.retries });
      const response = await Promise.race([asked, failed]);
      return response?.getXorAddress()?.address;
    } catch {
      // Whatever the package throws: there was no usable answer, which is the finding.
      return undefined;
    } finally {
      socket.close();
    }
  }
}

/** What others publish is not ours to trust: undefined where nobody can be asked by HTTP. */
function httpUrl(edgeUrl: string): URL | undefined {
  if (!URL.canParse(IDENTITY_PATH, edgeUrl)) return undefined;
  const url = new URL(IDENTITY_PATH, edgeUrl);
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined;
}

/** Empty when there was no good answer in time. */
function textAt(url: URL, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const get = url.protocol === 'https:' ? httpsGet : httpGet;
    const options: RequestOptions = { agent: false, signal: AbortSignal.timeout(timeoutMs) };
    const request = get(url, options, (response) => {
      textOf(response).then(resolve, () => resolve(''));
    });
    request.once('error', () => resolve(''));
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MAX_ANSWER_BYTES) return '';
    parts.push(part);
  }
  return response.statusCode === 200 ? Buffer.concat(parts).toString('utf8') : '';
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
