import { Command, InvalidArgumentError, Option } from 'commander';
import type { PathPolicy } from '../index.ts';
import { linkCommand, recoverCommand, registerCommand } from './account-commands.ts';
import { answerCommand, callCommand, type CallCommandOptions } from './call-command.ts';
import { chatCommand, type ChatOptions } from './chat-command.ts';
import { addressesOf, DEFAULTS, type CommandContext, type GlobalOptions } from './command-context.ts';
import {
  changeContactCommand,
  listContactsCommand,
  watchCommand,
  type ContactAction,
} from './contact-commands.ts';
import { EXIT } from './exit-code.ts';
import { receiveCommand, sendCommand, type ReceiveOptions } from './file-commands.ts';
import { netcheckCommand } from './netcheck-command.ts';
import { Output } from './output.ts';

const CONTACT_ACTIONS: Readonly<Record<ContactAction, string>> = {
  request: 'ask a user to become a contact',
  accept: 'accept the request of a user',
  remove: 'end a contact, or withdraw or decline a request',
  block: 'block a user, who is not told',
  unblock: 'end the block of a user',
};

const EXIT_HELP = `
Users are named by handle, or by id:<user id>.
Exit codes: ${String(EXIT.ok)} done, ${String(EXIT.failed)} failed, ${String(EXIT.usage)} wrong use, ${String(EXIT.tryAgain)} failed for now, ${String(EXIT.interrupted)} interrupted.
With --json, the last line of standard output is one JSON object; everything else goes to standard error.`;

/** The command line. `onStart` learns where results go, before the command runs. */
export function buildProgram(signal: AbortSignal, onStart: (output: Output) => void): Command {
  const program = new Command('parley')
    .description('The edge client on the command line.')
    .option(
      '--url <address>',
      'edge gateway of a supernode; several with commas, or once for each (PARLEY_URL)',
      collectAddresses,
      DEFAULTS.url,
    )
    .option('--data <folder>', 'identity folder (PARLEY_DATA)', DEFAULTS.data)
    .option('--tenant <id>', 'tenant (PARLEY_TENANT)', DEFAULTS.tenant)
    .option('--token <token>', "access token of the app's own backend")
    .option('--loopback', 'also offer loopback addresses to peers', false)
    .option('--port-mapping', 'ask the router for a port (PCP, NAT-PMP, UPnP)', false)
    .option('--json', 'print the result as one JSON object', false)
    .addHelpText('after', EXIT_HELP)
    .exitOverride();
  const context = (): CommandContext => {
    const options = program.opts<GlobalOptions>();
    const output = new Output(options.json);
    onStart(output);
    return { options, output, signal };
  };
  addAccountCommands(program, context);
  addContactCommands(program, context);
  addFileCommands(program, context);
  addChatCommand(program, context);
  addCallCommands(program, context);
  program
    .command('netcheck')
    .description('measure how this network treats UDP, and whether the relay works')
    .action(() => netcheckCommand(context()));
  return program;
}

function addAccountCommands(program: Command, context: () => CommandContext): void {
  program
    .command('register')
    .description('make an account with this handle')
    .argument('<handle>')
    .option('--name <text>', 'display name')
    .action((handle: string, options: { name?: string }) => registerCommand(context(), handle, options));
  program
    .command('link')
    .description('without a code: show one and wait; with a code: take that device into this account')
    .argument('[code]')
    .option('--name <text>', 'what to call the new device')
    .action((code: string | undefined, options: { name?: string }) => linkCommand(context(), code, options));
  program
    .command('recover')
    .description('take an account over on this device; all its former devices leave')
    .argument('<user id>')
    .argument('<recovery code>')
    .action((userId: string, code: string) => recoverCommand(context(), userId, code));
}

function addContactCommands(program: Command, context: () => CommandContext): void {
  const contacts = program.command('contacts').description('the contact list');
  contacts
    .command('list', { isDefault: true })
    .description('show all contacts')
    .action(() => listContactsCommand(context()));
  for (const [action, description] of Object.entries(CONTACT_ACTIONS) as [ContactAction, string][]) {
    contacts
      .command(action)
      .description(description)
      .argument('<user>')
      .action((user: string) => changeContactCommand(context(), action, user));
  }
  program
    .command('watch')
    .description('show the presence of users, or of all contacts, until Ctrl-C')
    .argument('[users...]')
    .option('--seconds <number>', 'end after this time', parsePositive)
    .action((users: string[], options: { seconds?: number }) => watchCommand(context(), users, options));
}

function addChatCommand(program: Command, context: () => CommandContext): void {
  program
    .command('chat')
    .description('write to a user and show what comes, until Ctrl-C')
    .argument('<user>')
    .option('--send <text>', 'send this and end when it is stored')
    .option('--once', 'end after the first message that comes', false)
    .option('--seconds <number>', 'end after this time', parsePositive)
    .action((user: string, options: ChatOptions) => chatCommand(context(), user, options));
}

function addFileCommands(program: Command, context: () => CommandContext): void {
  program
    .command('send')
    .description('send a file to a user')
    .argument('<user>')
    .argument('<file>')
    .addOption(
      new Option('--policy <policy>', 'which paths to use')
        .choices(['any', 'direct-only', 'relay-only'])
        .default('any'),
    )
    .action((user: string, file: string, options: { policy: PathPolicy }) =>
      sendCommand(context(), user, file, options),
    );
  program
    .command('receive')
    .description('receive files until Ctrl-C')
    .requiredOption('--into <folder>', 'folder to write into')
    .addOption(
      new Option('--from <who>', 'whose files to take').choices(['contacts', 'anyone']).default('contacts'),
    )
    .option('--once', 'end after the first file', false)
    .option('--max-bytes <number>', 'refuse larger files', parsePositive)
    .action((options: ReceiveOptions) => receiveCommand(context(), options));
}

function addCallCommands(program: Command, context: () => CommandContext): void {
  const withSound = (command: Command): Command =>
    command
      .option('--play <file>', 'WAV file to say')
      .option('--record <file>', 'WAV file to write what is heard into')
      .option('--seconds <number>', 'hang up after this long a talk', parsePositive);
  withSound(program.command('call'))
    .description('call a contact; without --seconds until the file was said')
    .argument('<user>')
    .option('--ring <seconds>', 'how long to let it ring', parsePositive)
    .action((user: string, options: CallCommandOptions & { ring?: number }) =>
      callCommand(context(), user, options),
    );
  withSound(program.command('answer'))
    .description('answer the calls of contacts until Ctrl-C')
    .option('--once', 'end after the first call', false)
    .action((options: CallCommandOptions & { once: boolean }) => answerCommand(context(), options));
}

function parsePositive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Give a positive number.');
  return value;
}

/** What is given takes the place of the default, and adds up. */
function collectAddresses(text: string, before: readonly string[]): readonly string[] {
  return [...(before === DEFAULTS.url ? [] : before), ...addressesOf(text)];
}
