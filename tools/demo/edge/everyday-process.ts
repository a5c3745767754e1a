import { serveCommands } from '../../processes/serve-commands.ts';
import { EverydayApp } from './everyday-app.ts';
import type { EverydayCommands } from './everyday-messages.ts';

/** Entry point of a process of the everyday scenario: commands come from the demo. */
serveCommands<EverydayCommands>(new EverydayApp().handlers);
