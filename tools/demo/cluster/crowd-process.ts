import { serveCommands } from '../../processes/serve-commands.ts';
import { ClusterCrowd } from './cluster-crowd.ts';
import type { CrowdCommands } from './crowd-messages.ts';

/** Entry point of a process with many edge clients: commands come from the demo. */
serveCommands<CrowdCommands>(new ClusterCrowd().handlers);
