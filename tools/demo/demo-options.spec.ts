import { describe, expect, it } from '@jest/globals';
import { parseDemoOptions } from './demo-options.ts';

const USUAL = { isCluster: false, isHelpWanted: false, isJson: false, isLoopbackWanted: false, clients: 40 };

describe('the options of the demo', () => {
  it.each([
    [[], {}],
    [['--help'], { isHelpWanted: true }],
    [['--json', '--loopback'], { isJson: true, isLoopbackWanted: true }],
    [['cluster'], { isCluster: true }],
    [['cluster', '--clients=12', '--json'], { isCluster: true, clients: 12, isJson: true }],
  ])('are understood: %j', (words, different) => {
    expect(parseDemoOptions(words)).toEqual({ ...USUAL, ...different });
  });

  it.each([
    [['clusters'], 'there is no demo clusters'],
    [['cluster', 'again'], 'there is no demo cluster again'],
    [['--client=4'], "Unknown option '--client'"],
    [['--json=yes'], "'--json' does not take an argument"],
    [['cluster', '--clients=10'], '--clients is a multiple of 4, not 10'],
    [['cluster', '--clients=0'], '--clients is a multiple of 4, not 0'],
    [['cluster', '--clients=many'], '--clients is a multiple of 4, not many'],
    [['cluster', '--loopback'], '--loopback is an option of the other demo'],
    [['--clients=12'], '--clients is an option of the other demo'],
  ])('are refused: %j', (words, problem) => {
    expect(parseDemoOptions(words)).toEqual({ problem: expect.stringContaining(problem) });
  });
});
