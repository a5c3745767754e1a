import { serveCommands } from '../../processes/serve-commands.ts';
import type { ConnectionCommands } from './connection-commands.ts';
import { ConnectionCrowd } from './connection-crowd.ts';

/** Entry point of a process of clients: commands come from the benchmark. */
serveCommands<ConnectionCommands>(new ConnectionCrowd().handlers);
