#!/usr/bin/env node
import { CommanderError } from 'commander';
import { EdgeClientError } from '../index.ts';
import { EXIT, type ExitCode } from './exit-code.ts';
import { Output } from './output.ts';
import { buildProgram } from './program.ts';

const interruption = new AbortController();
// The first Ctrl-C ends the command in order; a second one ends the process.
process.once('SIGINT', () => interruption.abort());
process.once('SIGTERM', () => interruption.abort());

const isJson = process.argv.includes('--json');
let output = new Output(isJson);

/** How a thrown thing ends the process. */
function exitCodeOf(thrown: unknown): ExitCode {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (interruption.signal.aborted) return EXIT.interrupted;
  return thrown instanceof EdgeClientError && thrown.retryable ? EXIT.tryAgain : EXIT.failed;
}

function report(thrown: unknown): void {
  if (thrown instanceof CommanderError) {
    // It has told people already; a script reads its one object.
    if (thrown.exitCode !== 0 && isJson)
      output.result({ ok: false, error: { code: 'USAGE', message: thrown.message } }, '');
    return;
  }
  if (thrown instanceof EdgeClientError) output.failure(thrown.code, thrown.message);
  else
    output.failure('INTERNAL', thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown));
}

try {
  await buildProgram(interruption.signal, (chosen) => {
    output = chosen;
  }).parseAsync();
} catch (thrown) {
  report(thrown);
  process.exitCode = exitCodeOf(thrown);
}
