import { serveCommands } from '../../processes/serve-commands.ts';
import type { HyperdhtCommands } from './hyperdht-commands.ts';
import { loadHyperdht } from './hyperdht-module.ts';
import { HyperdhtPeer } from './hyperdht-peer.ts';

/** Entry point of a process of the yardstick; its argument is the folder that the package is installed in. */
serveCommands<HyperdhtCommands>(new HyperdhtPeer(loadHyperdht(process.argv[2] ?? '')).handlers);
