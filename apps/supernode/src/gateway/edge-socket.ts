import type { ClientToServerEvents, ServerToClientEvents } from '@parley/protocol';
import type { DefaultEventsMap, Server, Socket } from 'socket.io';
import type { Connection } from './connection.ts';

/** What the gateway keeps on a socket. */
export interface SocketData {
  connection: Connection;
}

export type EdgeServer = Server<ClientToServerEvents, ServerToClientEvents, DefaultEventsMap, SocketData>;
export type EdgeSocket = Socket<ClientToServerEvents, ServerToClientEvents, DefaultEventsMap, SocketData>;
