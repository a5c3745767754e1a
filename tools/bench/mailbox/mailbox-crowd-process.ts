import { serveCommands } from '../../processes/serve-commands.ts';
import type { MailboxCrowdCommands } from './mailbox-crowd-commands.ts';
import { MailboxCrowd } from './mailbox-crowd.ts';

/** Entry point of the process that loads mailboxes: commands come from the benchmark. */
serveCommands<MailboxCrowdCommands>(new MailboxCrowd().handlers);
