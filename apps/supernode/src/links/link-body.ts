/** What a message of a link says. */
export type LinkBody =
  | { readonly kind: 'tell'; readonly name: string; readonly payload: unknown }
  | { readonly kind: 'request'; readonly id: number; readonly name: string; readonly payload: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly payload: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly code: string; readonly message: string };

/** Short, since every message carries it: `[name, payload]`, `[name, payload, id]`, `[id, payload]`, `[id, code, message]`. */
export function encodeBody(body: LinkBody): string {
  switch (body.kind) {
    case 'tell':
      return JSON.stringify([body.name, body.payload]);
    case 'request':
      return JSON.stringify([body.name, body.payload, body.id]);
    case 'answer':
      return JSON.stringify([body.id, body.payload]);
    case 'refusal':
      return JSON.stringify([body.id, body.code, body.message]);
  }
}

/** Undefined for what is none: another version may have written it. */
export function decodeBody(body: unknown): LinkBody | undefined {
  if (!Array.isArray(body)) return undefined;
  const [first, second, third] = body as unknown[];
  if (typeof first === 'string') {
    if (third === undefined) return { kind: 'tell', name: first, payload: second };
    return typeof third === 'number'
      ? { kind: 'request', id: third, name: first, payload: second }
      : undefined;
  }
  if (typeof first !== 'number') return undefined;
  if (third === undefined) return { kind: 'answer', id: first, payload: second };
  if (typeof second !== 'string' || typeof third !== 'string') return undefined;
  return { kind: 'refusal', id: first, code: second, message: third };
}
