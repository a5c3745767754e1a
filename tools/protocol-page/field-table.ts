import { z } from 'zod';

/** The part of a JSON Schema that the table reads. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
}

/** One row per field, nested fields with their path. `io`: what a sender may write, or what a receiver can rely on. */
export function fieldTable(schema: z.ZodType, io: 'input' | 'output'): string {
  const rows = rowsOf(z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Schema, '');
  if (rows.length === 0) return 'No fields.\n';
  return `| field | type | required |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function rowsOf(schema: Schema, prefix: string): string[] {
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives && !schema.properties) {
    return [...new Set(alternatives.flatMap((alternative) => rowsOf(alternative, prefix)))];
  }
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix + name;
    const isRequired = schema.required?.includes(name) ?? false;
    const row = `| \`${path}\` | ${typeOf(field)} | ${isRequired ? 'yes' : 'no'} |`;
    const inner = field.type === 'array' ? field.items : field;
    return [row, ...(inner ? rowsOf(inner, `${path}${field.type === 'array' ? '[]' : ''}.`) : [])];
  });
}

function typeOf(schema: Schema): string {
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives) return [...new Set(alternatives.map(typeOf))].join(' or ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ');
  if (schema.type === 'array') return `list${bound(schema.maxItems)} of ${typeOf(schema.items ?? {})}`;
  if (schema.type === 'string') return `text${bound(schema.maxLength)}`;
  if (schema.type === 'integer') return `integer${range(schema)}`;
  return typeof schema.type === 'string' ? schema.type : 'any';
}

function bound(most: number | undefined): string {
  return most === undefined ? '' : ` (at most ${most})`;
}

/** Bounds that every safe integer has are none. */
function range({ minimum, maximum }: Schema): string {
  const from = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? String(minimum) : '';
  const to = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? String(maximum) : '';
  return from === '' && to === ''
    ? ''
    : ` (${from} to ${to})`.replace(' to )', ' or more)').replace('( to', '(up to');
}
