import { serveCommands } from '../../processes/serve-commands.ts';
import type { StormCommands } from './storm-commands.ts';
import { StormCrowd } from './storm-crowd.ts';

/** Entry point of a process with many light clients: commands come from the benchmark. */
serveCommands<StormCommands>(new StormCrowd().handlers);
