import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';

/** The part of socket.io that is used here. */
interface SocketIo {
  readonly Server: new (server: ReturnType<typeof createServer>, options: object) => unknown;
}

/** socket.io as the supernode has it, and nothing else: what a connection costs before anybody does anything with it. */
const fromSupernode = createRequire(new URL('../../../../apps/supernode/package.json', import.meta.url));
const { Server } = fromSupernode('socket.io') as SocketIo;
const http = createServer();
new Server(http, { transports: ['websocket'], perMessageDeflate: false, serveClient: false });
http.listen(0, '127.0.0.1', () => {
  const { port } = http.address() as AddressInfo;
  process.send?.({ url: `http://127.0.0.1:${port}` });
});
process.on('disconnect', () => process.exit(0));
