import { ADMIN_PROBLEMS, problemType } from './admin/problem.ts';
import { SUPERNODE_ERRORS } from './errors.ts';

/** The page docs/reference/supernode-errors.md. */
export function renderErrorReference(): string {
  const startRows = Object.entries(SUPERNODE_ERRORS).map(
    ([code, { doc, retryable, exitCode }]) =>
      `| \`${code}\` | ${exitCode} | ${retryable ? 'yes' : 'no'} | ${doc} |`,
  );
  const problemRows = Object.entries(ADMIN_PROBLEMS).map(
    ([code, { status, title }]) =>
      `| \`${code}\` | ${status} | \`${problemType(code as keyof typeof ADMIN_PROBLEMS)}\` | ${title} |`,
  );
  return `# Error codes for operators

This page is generated from \`apps/supernode/src/errors.ts\` and \`apps/supernode/src/admin/problem.ts\` by
\`parley-supernode config docs .\`; a test compares the two. Codes are stable: never renamed, never reused.

## Starting and running a supernode

The message on standard error begins with the code. "Again" says whether the same start may succeed later.

| code | exit code | again | meaning |
| --- | --- | --- | --- |
${startRows.join('\n')}

## Admin API

Problems of RFC 9457 (\`application/problem+json\`) with \`type\`, \`code\` and \`traceId\`.

| code | status | type | meaning |
| --- | --- | --- | --- |
${problemRows.join('\n')}
`;
}
