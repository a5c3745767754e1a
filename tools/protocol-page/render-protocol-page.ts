import { readFileSync } from 'node:fs';
import {
  CLIENT_REQUESTS,
  LIMITS,
  SERVER_EVENTS,
  type ClientRequestName,
  type ServerEventName,
} from '@parley/protocol';
import { EVENT_DESCRIPTIONS, REQUEST_DESCRIPTIONS } from './descriptions.ts';
import { fieldTable } from './field-table.ts';

/** Longer texts are ciphertexts, keys and signatures: their beginning is enough to show where they stand. */
const SHOWN_TEXT = 44;

/** The page docs/protocol/v1.md: the written part, then every message with its fields and its golden example. */
export function renderProtocolPage(repository: string): string {
  const preface = readFileSync(`${repository}/docs/protocol/v1-preface.md`, 'utf8');
  const requests = (Object.keys(CLIENT_REQUESTS) as ClientRequestName[]).map((name) =>
    requestSection(repository, name),
  );
  const events = (Object.keys(SERVER_EVENTS) as ServerEventName[]).map((name) =>
    eventSection(repository, name),
  );
  return [
    preface.trimEnd(),
    '## Requests',
    ...requests,
    '## Events',
    'Each comes with a second argument `{"sequence": n}`; see *Events and resume*.',
    ...events,
    '## Limits',
    limitTable(),
    '',
  ].join('\n\n');
}

function requestSection(repository: string, name: ClientRequestName): string {
  const { audience, request, response } = CLIENT_REQUESTS[name];
  const golden = example(repository, `requests/${name}`) as { request: unknown; reply: unknown };
  return [
    `### \`${name}\``,
    `${REQUEST_DESCRIPTIONS[name]} *Who may send it: ${audience === 'anyone' ? 'anyone connected' : `a ${audience} device`}.*`,
    fieldTable(request, 'input').trimEnd(),
    'The `data` of the reply:',
    fieldTable(response, 'output').trimEnd(),
    block({ request: golden.request, reply: golden.reply }),
  ].join('\n\n');
}

function eventSection(repository: string, name: ServerEventName): string {
  const golden = example(repository, `events/${name}`) as { event: unknown };
  return [
    `### \`${name}\``,
    EVENT_DESCRIPTIONS[name],
    fieldTable(SERVER_EVENTS[name], 'output').trimEnd(),
    block(golden.event),
  ].join('\n\n');
}

function example(repository: string, file: string): unknown {
  return JSON.parse(readFileSync(`${repository}/libs/protocol/golden/v1/${file}.json`, 'utf8'));
}

function block(value: unknown): string {
  const shorten = (_key: string, inner: unknown): unknown =>
    typeof inner === 'string' && inner.length > SHOWN_TEXT ? `${inner.slice(0, SHOWN_TEXT)}…` : inner;
  return `\`\`\`json\n${JSON.stringify(value, shorten, 2)}\n\`\`\``;
}

function limitTable(): string {
  const rows = Object.entries(LIMITS).map(([name, value]) => `| \`${name}\` | ${value} |`);
  return `Sizes in bytes, times in milliseconds.\n\n| limit | value |\n| --- | --- |\n${rows.join('\n')}`;
}
