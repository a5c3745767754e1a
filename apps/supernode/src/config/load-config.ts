import { readFileSync } from 'node:fs';
import { SupernodeError, messageOf } from '../errors.ts';
import type { ConfigProblem } from './config-problem.ts';
import { optionEntries, type Config } from './config.schema.ts';
import { CROSS_FIELD_RULES } from './cross-field-rules.ts';

const PREFIX = 'SUPERNODE_';
const FILE_SUFFIX = '_FILE';

export type Environment = Readonly<Record<string, string | undefined>>;
export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/**
 * Reads settings from an environment: a pure function that reports every problem, not the first one. An empty value
 * is as good as none, so that a template with blank lines works.
 */
export function loadConfig(env: Environment): ConfigResult {
  const problems = unknownSettings(env);
  const sections: Record<string, Record<string, unknown>> = {};
  for (const { section, key, option } of optionEntries()) {
    const raw = env[option.env]?.trim() ?? '';
    const parsed = raw === '' ? ({ ok: true, value: option.default } as const) : option.parse(raw);
    if (!parsed.ok) problems.push({ env: option.env, reason: parsed.reason });
    (sections[section] ??= {})[key] = parsed.ok ? parsed.value : option.default;
  }
  for (const section of Object.values(sections)) Object.freeze(section);
  // The table gives this object its shape; nothing else writes to it.
  const config = Object.freeze(sections) as unknown as Config;
  for (const rule of CROSS_FIELD_RULES) problems.push(...rule(config));
  return problems.length === 0 ? { ok: true, config } : { ok: false, problems };
}

/**
 * Reads the settings of this process; a secret may be given as a file (`SUPERNODE_ADMIN_KEY_FILE`).
 *
 * @throws SupernodeError SN_CONFIG_INVALID with every problem in the message.
 */
export function loadProcessConfig(): Config {
  const files = readSecretFiles(process.env);
  const result = loadConfig(files.env);
  const problems = [...files.problems, ...(result.ok ? [] : result.problems)];
  if (!result.ok || problems.length > 0) throw invalidConfig(problems);
  return result.config;
}

export function invalidConfig(problems: readonly ConfigProblem[]): SupernodeError {
  const lines = problems.map(({ env, reason }) => `  ${env} ${reason}`);
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return new SupernodeError('SN_CONFIG_INVALID', `The settings have ${count}:\n${lines.join('\n')}`);
}

/** Replaces `<secret>_FILE` by the content of the file. */
export function readSecretFiles(env: Environment): { env: Environment; problems: ConfigProblem[] } {
  const resolved: Record<string, string | undefined> = { ...env };
  const problems: ConfigProblem[] = [];
  for (const { option } of optionEntries()) {
    const name = option.env + FILE_SUFFIX;
    const file = env[name];
    if (!option.sensitive || file === undefined || file === '') continue;
    resolved[name] = undefined;
    if (env[option.env] !== undefined) {
      problems.push({ env: name, reason: `cannot be set together with ${option.env}` });
      continue;
    }
    try {
      resolved[option.env] = readFileSync(file, 'utf8').trim();
    } catch (error) {
      problems.push({ env: name, reason: `cannot be read: ${messageOf(error)}` });
    }
  }
  return { env: resolved, problems };
}

function unknownSettings(env: Environment): ConfigProblem[] {
  const known = new Set(optionEntries().map(({ option }) => option.env));
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && env[name] !== undefined && !known.has(name))
    .sort()
    .map((name) => ({ env: name, reason: 'is not a setting; see docs/reference/config.md' }));
}
