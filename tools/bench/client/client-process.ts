import { serveCommands } from '../../processes/serve-commands.ts';
import { BenchmarkClient } from './benchmark-client.ts';
import type { ClientCommands } from './client-commands.ts';

/** Entry point of a process with one edge client: commands come from the benchmark. */
serveCommands<ClientCommands>(new BenchmarkClient().handlers);
