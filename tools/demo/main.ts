import { labAvailability } from '@parley/test/natlab';
import type { Network } from '../network/network.ts';
import { ClusterDemo } from './cluster/cluster-demo.ts';
import { DEMO_USAGE, parseDemoOptions } from './demo-options.ts';
import { EverydayScenario } from './everyday.ts';
import { Narrator } from './narrator.ts';
import { KernelNatNetwork } from '../network/kernel-nat-network.ts';
import { LoopbackNetwork } from '../network/loopback-network.ts';
import type { DemoResult, ScenarioResult } from './result.ts';
import { runScenario, type Scenario } from './scenario.ts';

type Lab = DemoResult['lab'];

const DIRECT: Scenario = { name: 'direct', expectedPath: 'direct' };
const RELAYED: Scenario = { name: 'relayed', expectedPath: 'relayed' };

/** The network of a scenario; made anew for each, so that nothing of one helps the other. */
function networkFor(scenario: Scenario, lab: Lab): Promise<Network> {
  if (lab === 'loopback') return LoopbackNetwork.create(scenario.expectedPath);
  return scenario === DIRECT
    ? KernelNatNetwork.create(
        'endpoint-independent/address-and-port-dependent',
        'both clients behind home NATs: one outside port per socket, only answers come in',
      )
    : KernelNatNetwork.create(
        'address-and-port-dependent/random-ports',
        'both clients behind NATs that take another random port for every destination: no direct path exists',
      );
}

/** Real NATs where the kernel gives them, unless the reader asked for loopback. */
function chooseLab(isLoopbackWanted: boolean, narrator: Narrator): Lab {
  const availability = labAvailability();
  if (availability.kind === 'kernel-nat' && !isLoopbackWanted) {
    narrator.say(
      'Three machines in network namespaces, with NATs of this Linux kernel; the kernel counts the packets.',
    );
    return 'kernel-nat';
  }
  const reason = availability.kind === 'kernel-nat' ? 'as you asked' : availability.reason;
  narrator.say(`No network namespaces (${reason}): everything on loopback, where no NAT is in the way.`);
  return 'loopback';
}

async function runEveryday(lab: Lab, narrator: Narrator): ReturnType<EverydayScenario['run']> {
  const network = await networkFor(DIRECT, lab);
  try {
    narrator.title('Every day: a message to somebody who is away, and a call');
    return await new EverydayScenario(network, narrator).run();
  } finally {
    await network.close();
  }
}

/** Exit code 0: all held; 1: something did not; 2: it was called wrongly. */
async function main(words: readonly string[]): Promise<number> {
  const options = parseDemoOptions(words);
  if ('problem' in options) {
    process.stderr.write(`${options.problem}\n${DEMO_USAGE}`);
    return 2;
  }
  if (options.isHelpWanted) {
    process.stdout.write(DEMO_USAGE);
    return 0;
  }
  const { isJson, isLoopbackWanted, clients } = options;
  const narrator = new Narrator(isJson);
  return options.isCluster
    ? runCluster(clients, isJson, narrator)
    : runEverything(isLoopbackWanted, isJson, narrator);
}

async function runCluster(clients: number, isJson: boolean, narrator: Narrator): Promise<number> {
  const result = await ClusterDemo.run(narrator, clients);
  narrator.say(result.ok ? 'Everything held.' : 'Something did not hold; see FAIL above.');
  if (isJson) process.stdout.write(`${JSON.stringify(result)}\n`);
  return result.ok ? 0 : 1;
}

async function runEverything(
  isLoopbackWanted: boolean,
  isJson: boolean,
  narrator: Narrator,
): Promise<number> {
  const lab = chooseLab(isLoopbackWanted, narrator);

  const results: ScenarioResult[] = [];
  let ok = true;
  for (const scenario of [DIRECT, RELAYED]) {
    const network = await networkFor(scenario, lab);
    try {
      narrator.title(`Scenario "${scenario.name}": ${network.description}`);
      const outcome = await runScenario(scenario, network, narrator);
      ok &&= outcome.ok;
      results.push(outcome.result);
    } finally {
      await network.close();
    }
  }
  const everyday = await runEveryday(lab, narrator);
  ok &&= everyday.ok;
  narrator.say(ok ? 'Everything held.' : 'Something did not hold; see FAIL above.');
  const { mailbox, call } = everyday;
  const result: DemoResult = { ok, lab, scenarios: results, mailbox, call };
  if (isJson) process.stdout.write(`${JSON.stringify(result)}\n`);
  return ok ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
