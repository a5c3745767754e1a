import { parseArgs } from 'node:util';

/** As many as the product is promised for. */
const USUAL_CLIENTS = 40;
/** Each of the processes that edge clients run in has as many of them. */
const CLIENT_PROCESSES = 4;

export const DEMO_USAGE = `usage: npm run demo -- [--loopback] [--json]
       npm run demo -- cluster [--clients=${USUAL_CLIENTS}] [--json]
  --loopback   no network namespaces, also where the kernel would give them
  --clients=   edge clients of the cluster, a multiple of ${CLIENT_PROCESSES}; usually ${USUAL_CLIENTS}
  --json       the story on standard error, and what was found on one line of standard output
Exit code 0 where everything held, 1 where something did not.
`;

export interface DemoOptions {
  readonly isCluster: boolean;
  readonly isHelpWanted: boolean;
  readonly isJson: boolean;
  readonly isLoopbackWanted: boolean;
  readonly clients: number;
}

/** What the words after the command ask for, or what is wrong with them. */
export function parseDemoOptions(words: readonly string[]): DemoOptions | { readonly problem: string } {
  const given = parsed(words);
  if ('problem' in given) return given;
  const { values, positionals } = given;
  const [demo, ...more] = positionals;
  if (more.length > 0 || (demo !== undefined && demo !== 'cluster'))
    return { problem: `there is no demo ${positionals.join(' ')}` };
  const isCluster = demo === 'cluster';
  const clients = Number(values.clients ?? USUAL_CLIENTS);
  if (!(clients > 0 && clients % CLIENT_PROCESSES === 0))
    return { problem: `--clients is a multiple of ${CLIENT_PROCESSES}, not ${values.clients ?? ''}` };
  if (isCluster ? values.loopback : values.clients !== undefined)
    return { problem: `--${isCluster ? 'loopback' : 'clients'} is an option of the other demo` };
  return {
    ...{ isCluster, clients, isHelpWanted: values.help },
    ...{ isJson: values.json, isLoopbackWanted: values.loopback },
  };
}

function parsed(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        clients: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
        json: { type: 'boolean', default: false },
        loopback: { type: 'boolean', default: false },
      },
    });
  } catch (thrown) {
    // What parseArgs throws names the word that it does not know.
    return { problem: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}
