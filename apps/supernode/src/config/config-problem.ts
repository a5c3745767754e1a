/** One thing wrong with the settings. Never holds the value: it may be a secret. */
export interface ConfigProblem {
  readonly env: string;
  readonly reason: string;
}
