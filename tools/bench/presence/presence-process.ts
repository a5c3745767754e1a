import { serveCommands } from '../../processes/serve-commands.ts';
import type { PresenceCommands } from './presence-commands.ts';
import { PresenceCrowd } from './presence-crowd.ts';

/** Entry point of a process of users: commands come from the benchmark. */
serveCommands<PresenceCommands>(new PresenceCrowd().handlers);
