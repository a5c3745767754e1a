import { isIP } from 'node:net';

/** Outcome of reading one setting; a reason completes the sentence "SUPERNODE_X …". */
export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** One setting: all that the loader, the reference page and the redaction of logs need to know. */
export interface Option<T> {
  readonly env: string;
  /** What an operator writes, for the reference page. */
  readonly type: string;
  readonly default: T;
  readonly doc: string;
  /** Never printed, never logged; may come from a file named by `<env>_FILE`. */
  readonly sensitive: boolean;
  parse(text: string): Parsed<T>;
  /** The default as an operator would write it; empty where there is none. */
  format(value: T): string;
}

interface Common<T> {
  readonly env: string;
  readonly default: T;
  readonly doc: string;
}

/** How one value is read and written; the parts that options and lists share. */
interface Kind<T> {
  readonly type: string;
  parse(text: string): Parsed<T>;
  format(value: T): string;
}

const ok = <T>(value: T): Parsed<T> => ({ ok: true, value });
const refused = (reason: string): Parsed<never> => ({ ok: false, reason });

export function option<T>(kind: Kind<T>, common: Common<T>): Option<T> {
  return { ...kind, ...common, sensitive: false };
}

/** A setting that may be absent. */
export function optional<T>(kind: Kind<T>, common: Omit<Common<T>, 'default'>): Option<T | undefined> {
  return {
    ...common,
    type: kind.type,
    parse: (text) => kind.parse(text),
    format: (value) => (value === undefined ? '' : kind.format(value)),
    default: undefined,
    sensitive: false,
  };
}

/** A secret; always optional here, because what is mandatory depends on other settings. */
export function secret(
  minLength: number,
  common: Omit<Common<string>, 'default'>,
): Option<string | undefined> {
  return {
    ...optional(text({ minLength }), common),
    type: `secret, at least ${minLength} characters`,
    sensitive: true,
  };
}

export function integer(bounds: { min: number; max: number }): Kind<number> {
  return {
    type: `integer, ${bounds.min} to ${bounds.max}`,
    parse: (raw) => {
      const value = /^-?\d+$/.test(raw) ? Number(raw) : Number.NaN;
      const isInside = value >= bounds.min && value <= bounds.max;
      return isInside ? ok(value) : refused(`must be an integer from ${bounds.min} to ${bounds.max}`);
    },
    format: String,
  };
}

export const PORT: Kind<number> = { ...integer({ min: 0, max: 65535 }), type: 'port, 0 picks a free one' };

export function text(bounds: { minLength?: number; pattern?: RegExp; type?: string } = {}): Kind<string> {
  const minLength = bounds.minLength ?? 1;
  const type = bounds.type ?? 'text';
  return {
    type,
    parse: (raw) => {
      if (raw.length < minLength) return refused(`must have at least ${minLength} characters`);
      return bounds.pattern?.test(raw) === false ? refused(`must be ${type}`) : ok(raw);
    },
    format: (value) => value,
  };
}

export const FLAG: Kind<boolean> = {
  type: '`true` or `false`',
  parse: (raw) => (raw === 'true' || raw === 'false' ? ok(raw === 'true') : refused('must be true or false')),
  format: String,
};

export function oneOf<const T extends string>(values: readonly T[]): Kind<T> {
  return {
    type: `one of ${values.map((value) => `\`${value}\``).join(', ')}`,
    parse: (raw) => {
      const value = values.find((candidate) => candidate === raw);
      return value === undefined ? refused(`must be one of ${values.join(', ')}`) : ok(value);
    },
    format: (value) => value,
  };
}

export const IP_ADDRESS: Kind<string> = {
  type: 'IP address',
  parse: (raw) => (isIP(raw) === 0 ? refused('must be an IPv4 or IPv6 address') : ok(raw)),
  format: (value) => value,
};

export const CIDR: Kind<string> = {
  type: 'address block (CIDR)',
  parse: (raw) => {
    const [address = '', prefix = '', ...rest] = raw.split('/');
    const version = isIP(address);
    const isPrefix = /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128);
    if (version === 0 || !isPrefix || rest.length > 0)
      return refused('must be an address block such as 10.0.0.0/8');
    return ok(raw);
  },
  format: (value) => value,
};

export function url(protocols: readonly string[]): Kind<string> {
  const names = protocols.map((protocol) => `${protocol}//`).join(' or ');
  return {
    type: `URL (${names})`,
    parse: (raw) => {
      if (!URL.canParse(raw)) return refused('must be a URL');
      return protocols.includes(new URL(raw).protocol) ? ok(raw) : refused(`must begin with ${names}`);
    },
    format: (value) => value,
  };
}

/** A range of ports, both ends included. */
export interface PortRange {
  readonly min: number;
  readonly max: number;
}

export const PORT_RANGE: Kind<PortRange> = {
  type: 'range of ports, such as `49152-65535`',
  parse: (raw) => {
    const match = /^(\d{1,5})-(\d{1,5})$/.exec(raw);
    const range = { min: Number(match?.[1]), max: Number(match?.[2]) };
    const isRange = range.min >= 1024 && range.max <= 65535 && range.min <= range.max;
    return isRange
      ? ok(Object.freeze(range))
      : refused('must be two ports from 1024 to 65535, such as 49152-65535');
  },
  format: (range) => `${range.min}-${range.max}`,
};

/** Comma-separated values, at least one. */
export function list<T extends string>(item: Kind<T>): Kind<readonly T[]> {
  return {
    type: `list, comma between (each: ${item.type})`,
    parse: (raw) => {
      const values: T[] = [];
      for (const part of raw.split(',').map((piece) => piece.trim())) {
        const parsed = item.parse(part);
        if (!parsed.ok) return refused(`holds a value that ${parsed.reason}`);
        if (values.includes(parsed.value)) return refused('names a value twice');
        values.push(parsed.value);
      }
      return ok(Object.freeze(values));
    },
    format: (values) => values.map((value) => item.format(value)).join(','),
  };
}

/** Percentages by name that add up to 100; as `name:percent`, comma between, every name once. */
export function shares<Name extends string>(
  names: Readonly<Record<Name, unknown>>,
): Kind<Readonly<Record<Name, number>>> {
  const wanted = Object.keys(names) as Name[];
  const example = wanted.map((name) => `${name}:n`).join(',');
  return {
    type: `percentages that add up to 100, \`${example}\``,
    parse: (raw) => {
      const parts = raw.split(',').map((piece) => /^([A-Za-z]+):(\d{1,3})$/.exec(piece.trim()));
      const found = new Map(parts.map((part) => [part?.[1], Number(part?.[2])]));
      const isWhole = parts.length === wanted.length && wanted.every((name) => found.has(name));
      const total = [...found.values()].reduce((sum, value) => sum + value, 0);
      if (!isWhole || total !== 100) return refused(`must be percentages that add up to 100: ${example}`);
      return ok(Object.freeze(Object.fromEntries(found)) as Readonly<Record<Name, number>>);
    },
    format: (values) => wanted.map((name) => `${name}:${values[name]}`).join(','),
  };
}
