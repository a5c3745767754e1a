import { serveCommands } from '../../processes/serve-commands.ts';
import { Crowd } from './crowd.ts';
import type { CrowdCommands } from './crowd-commands.ts';

/** Entry point of a process with many edge clients: commands come from the benchmark. */
serveCommands<CrowdCommands>(new Crowd().handlers);
