import { ofGateway } from './ssdp-search.ts';

const MAX_BYTES = 64 * 1024;
const MAX_SERVICES = 64;
const SERVICE = /^urn:schemas-upnp-org:service:WANIPConnection:([12])$/;

/** How an internet gateway device wants to be asked for ports. */
export interface UpnpDescription {
  readonly location: URL;
  /** Of the WANIPConnection service. Version 1 can't choose a free port itself. */
  readonly version: 1 | 2;
  readonly serviceType: string;
  readonly controlUrl: URL;
}

/** Reads the description of a gateway. Undefined: it offers no port mapping, or not at its own address. @throws what `fetch` throws */
export async function readDescription(
  location: URL,
  signal: AbortSignal,
): Promise<UpnpDescription | undefined> {
  const xml = await fetchText(location, { signal });
  return xml === undefined ? undefined : describedBy(xml, location);
}

/** Takes the newest WANIPConnection service of a description. */
export function describedBy(xml: string, location: URL): UpnpDescription | undefined {
  const found: UpnpDescription[] = [];
  for (const part of xml.split('<service>').slice(1, MAX_SERVICES)) {
    const serviceType = valueOf(part, 'serviceType') ?? '';
    const version = SERVICE.exec(serviceType)?.[1];
    const control = valueOf(part, 'controlURL') ?? '';
    if (version === undefined || !URL.canParse(control, location.href)) continue;
    const controlUrl = ofGateway(new URL(control, location.href), location.hostname);
    if (controlUrl !== undefined)
      found.push({ location, version: version === '2' ? 2 : 1, serviceType, controlUrl });
  }
  return found.find(({ version }) => version === 2) ?? found[0];
}

/** Deletes a mapping of ours; true when the gateway says that it did. @throws what `fetch` throws */
export async function deleteMapping(
  { serviceType, controlUrl }: UpnpDescription,
  externalPort: number,
  signal: AbortSignal,
): Promise<boolean> {
  const action = 'DeletePortMapping';
  const body =
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${serviceType}"><NewRemoteHost></NewRemoteHost>` +
    `<NewExternalPort>${String(externalPort)}</NewExternalPort><NewProtocol>UDP</NewProtocol></u:${action}>` +
    '</s:Body></s:Envelope>';
  const answer = await fetchText(controlUrl, {
    method: 'POST',
    headers: { 'Content-Type': 'text/xml; charset="utf-8"', SOAPAction: `"${serviceType}#${action}"` },
    body,
    signal,
  });
  return answer?.includes(`${action}Response`) === true;
}

/** Follows no redirection, and reads no more than a gateway has to say: undefined beyond that. */
async function fetchText(url: URL, init: RequestInit): Promise<string | undefined> {
  const response = await fetch(url, { ...init, redirect: 'error' });
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > MAX_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function valueOf(xml: string, tag: string): string | undefined {
  const start = xml.indexOf(`<${tag}>`);
  const end = xml.indexOf(`</${tag}>`, start);
  return start < 0 || end < 0 ? undefined : xml.slice(start + tag.length + 2, end).trim();
}
