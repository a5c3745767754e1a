import { serveCommands } from '../../processes/serve-commands.ts';
import { CallClient } from './call-client.ts';
import type { CallCommands } from './call-commands.ts';

/** Entry point of a process with one device that calls or is called: commands come from the benchmark. */
serveCommands<CallCommands>(new CallClient().handlers);
