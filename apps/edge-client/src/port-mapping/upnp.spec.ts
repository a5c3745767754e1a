import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { locationOf } from './ssdp-search.ts';
import { deleteMapping, describedBy, readDescription } from './upnp-description.ts';
import { mapByUpnp } from './upnp-mapper.nat-port-mapper.ts';

const GATEWAY = '192.168.1.1';
const LOCATION = new URL('http://192.168.1.1:5000/root.xml');

const answer = (...lines: readonly string[]) => Buffer.from([...lines, '', ''].join('\r\n'));
const service = (version: number | string, control: string) =>
  `<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:${version}</serviceType>` +
  `<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><SCPDURL>/scpd.xml</SCPDURL>` +
  `<controlURL>${control}</controlURL><eventSubURL>/e</eventSubURL></service>`;
const root = (services: string) =>
  `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>` +
  `<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:2</deviceType><UDN>uuid:1</UDN>` +
  `<serviceList>${services}</serviceList></device></root>`;

describe('an answer to the search for a gateway', () => {
  it('names where the gateway describes itself', () => {
    const found = locationOf(answer('HTTP/1.1 200 OK', `Location: ${LOCATION.href}`, 'ST: x'), GATEWAY);
    expect(found?.href).toBe(LOCATION.href);
  });

  it.each([
    ['another host', 'http://192.168.1.7:5000/root.xml'],
    ['a name', 'http://gateway.example/root.xml'],
    ['this host', 'http://127.0.0.1:5000/root.xml'],
    ['another scheme', 'file:///etc/passwd'],
    ['a password', 'http://a:b@192.168.1.1/root.xml'],
    ['nothing that can be read', 'http://'],
  ])('is not believed when it names %s', (_what, location) => {
    expect(locationOf(answer('HTTP/1.1 200 OK', `LOCATION: ${location}`), GATEWAY)).toBeUndefined();
  });

  it('is not read when it is no answer, names no place, or is too long', () => {
    expect(locationOf(answer('NOTIFY * HTTP/1.1', `LOCATION: ${LOCATION.href}`), GATEWAY)).toBeUndefined();
    expect(locationOf(answer('HTTP/1.1 200 OK'), GATEWAY)).toBeUndefined();
    const long = answer('HTTP/1.1 200 OK', `LOCATION: ${LOCATION.href}`, 'X'.repeat(2048));
    expect(locationOf(long, GATEWAY)).toBeUndefined();
  });
});

describe('the description of a gateway', () => {
  it('gives the newest service for port mapping', () => {
    const xml = root(service(1, '/one') + service(2, '/two'));
    expect(describedBy(xml, LOCATION)).toMatchObject({
      version: 2,
      controlUrl: new URL('http://192.168.1.1:5000/two'),
    });
    expect(describedBy(root(service(1, '/one')), LOCATION)).toMatchObject({ version: 1 });
  });

  it('leads nowhere else', () => {
    for (const control of [
      'http://127.0.0.1/x',
      'http://192.168.1.2/x',
      '//10.0.0.1/x',
      'https://192.168.1.1/x',
    ])
      expect(describedBy(root(service(2, control)), LOCATION)).toBeUndefined();
    expect(describedBy(root(service(3, '/x')), LOCATION)).toBeUndefined();
    expect(describedBy('<service>'.repeat(7000), LOCATION)).toBeUndefined();
  });
});

describe('a gateway that answers over HTTP', () => {
  let server: Server | undefined;

  const serve = async (listener: RequestListener): Promise<URL> => {
    server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/root.xml`);
  };

  afterEach(async () => {
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve) ?? resolve(undefined));
  });

  it('is read no further than 64 KiB, and followed nowhere', async () => {
    const endless = await serve((_request, response) => {
      response.on('error', () => undefined);
      const more = (): void => {
        while (!response.destroyed && response.write('<service>'.repeat(1000)));
        response.once('drain', more);
      };
      more();
    });
    expect(await readDescription(endless, AbortSignal.timeout(5000))).toBeUndefined();
  });

  it('is not followed elsewhere', async () => {
    const moved = await serve((_request, response) => {
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    });
    await expect(readDescription(moved, AbortSignal.timeout(5000))).rejects.toThrow();
  });

  it('is given up after its time', async () => {
    const silent = await serve(() => undefined);
    await expect(readDescription(silent, AbortSignal.timeout(50))).rejects.toThrow();
  });

  it('gives a port, and takes it back by port and protocol', async () => {
    const asked: string[] = [];
    const location = await serve((request, response) => {
      let body = '';
      request.on('data', (text: Buffer) => (body += text.toString()));
      request.on('end', () => {
        const action = /#(\w+)/.exec(String(request.headers['soapaction']))?.[1];
        if (action !== undefined)
          asked.push(`${action} ${/<NewExternalPort>(\d+)/.exec(body)?.[1] ?? ''}`.trim());
        if (action === 'DeletePortMapping') asked.push(/<NewProtocol>(\w*)/.exec(body)?.[1] ?? '');
        const value = {
          AddAnyPortMapping: '<NewReservedPort>50001</NewReservedPort>',
          GetExternalIPAddress: '<NewExternalIPAddress>203.0.113.9</NewExternalIPAddress>',
        }[action ?? ''];
        response.writeHead(200, { 'content-type': 'text/xml' });
        response.end(
          action === undefined
            ? root(service(2, '/control'))
            : `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>` +
                `<u:${action}Response xmlns:u="x">${value ?? ''}</u:${action}Response></s:Body></s:Envelope>`,
        );
      });
    });
    const signal = AbortSignal.timeout(5000);
    const description = await readDescription(location, signal);

    const external = await mapByUpnp({
      description: description!,
      client: '192.168.1.50',
      internalPort: 40_000,
      lifetimeSeconds: 3600,
      signal,
    });
    expect(external).toEqual({ family: 'ipv4', address: '203.0.113.9', port: 50_001 });
    expect(await deleteMapping(description!, 50_001, signal)).toBe(true);
    expect(asked).toEqual([
      'AddAnyPortMapping 40000',
      'GetExternalIPAddress',
      'DeletePortMapping 50001',
      'UDP',
    ]);
  });
});
