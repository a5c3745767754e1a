import { json } from 'node:stream/consumers';
import { ESLint } from 'eslint';
import config from '../../eslint.config.mjs';

/**
 * Lints snippets as if they stood in the files they name, which need not exist, with the boundary rules of the
 * workspace's own configuration. Reads `[{file, code}]`; prints what each breaks, and the message of every ban that
 * the configuration declares, so that a ban without a snippet is noticed.
 */
const BOUNDARY_RULES = new Set([
  '@nx/enforce-module-boundaries',
  '@typescript-eslint/no-restricted-imports',
  'no-restricted-globals',
  'no-restricted-properties',
  'no-restricted-syntax',
]);

const eslint = new ESLint({
  ruleFilter: ({ ruleId }) => BOUNDARY_RULES.has(ruleId),
  // None of these rules needs types, and a file that does not exist belongs to no TypeScript program.
  overrideConfig: [{ files: ['**/*.ts'], languageOptions: { parserOptions: { project: false } } }],
});

/** A ban is a rule option with a message of its own, at whatever depth the rule keeps it. */
function messagesIn(option) {
  if (Array.isArray(option)) return option.flatMap(messagesIn);
  if (typeof option !== 'object' || option === null) return [];
  return typeof option.message === 'string' ? [option.message] : Object.values(option).flatMap(messagesIn);
}

const bans = config.flatMap(({ rules = {} }) =>
  Object.entries(rules).flatMap(([rule, options]) => (BOUNDARY_RULES.has(rule) ? messagesIn(options) : [])),
);

const findings = [];
for (const { file, code } of await json(process.stdin)) {
  const [result] = await eslint.lintText(code, { filePath: file });
  findings.push(result.messages.map(({ ruleId, message }) => ({ rule: ruleId ?? 'parse-error', message })));
}
console.log(JSON.stringify({ findings, bans: [...new Set(bans)] }));
