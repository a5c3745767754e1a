import { serveCommands } from '../../processes/serve-commands.ts';
import { EdgeApp } from './edge-app.ts';
import type { EdgeCommands } from './edge-messages.ts';

/** Entry point of an edge process: commands come from the demo. */
serveCommands<EdgeCommands>(new EdgeApp().handlers);
