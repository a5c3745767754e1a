/** Every problem that the admin API answers with (RFC 9457). Codes and types are stable: never renamed or reused. */
export const ADMIN_PROBLEMS = {
  ADMIN_UNAUTHENTICATED: { status: 401, title: 'No valid admin key was presented' },
  ADMIN_SCOPE_MISSING: { status: 403, title: 'The admin key does not have the scope that this needs' },
  ADMIN_INVALID_PARAMETER: { status: 400, title: 'A parameter is not valid' },
  ADMIN_INVALID_BODY: { status: 400, title: 'The request body is not valid' },
  ADMIN_INVALID_CURSOR: { status: 400, title: 'The cursor does not belong to this query' },
  ADMIN_NOT_FOUND: { status: 404, title: 'There is no such resource' },
  ADMIN_CONFLICT: { status: 409, title: 'The state of the resource does not allow this' },
  ADMIN_NOT_SERVED_HERE: { status: 501, title: 'This supernode does not have the role that serves this' },
  ADMIN_NO_CLUSTER: { status: 501, title: 'This supernode runs alone: there is no election' },
  ADMIN_SUPERNODE_UNREACHABLE: { status: 504, title: 'The supernode that this is about does not answer' },
  ADMIN_STORE_UNAVAILABLE: { status: 503, title: 'The database cannot be reached now' },
  ADMIN_INTERNAL: { status: 500, title: 'Something went wrong inside' },
} as const satisfies Record<string, { status: number; title: string }>;

export type AdminProblemCode = keyof typeof ADMIN_PROBLEMS;

/** One thing wrong with a request; names a place, never repeats a value. */
export interface InvalidField {
  readonly field: string;
  readonly reason: string;
}

/** An expected refusal of the admin API; the problem filter makes the response of it. */
export class AdminProblem extends Error {
  override readonly name = 'AdminProblem';

  constructor(
    readonly code: AdminProblemCode,
    readonly detail?: string,
    readonly errors?: readonly InvalidField[],
    options?: ErrorOptions,
  ) {
    super(detail ?? ADMIN_PROBLEMS[code].title, options);
  }
}

/** The body of an `application/problem+json` response. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: AdminProblemCode;
  readonly detail?: string;
  readonly errors?: readonly InvalidField[];
  readonly traceId: string;
}

export function problemDocument(problem: AdminProblem, traceId: string): ProblemDocument {
  const { status, title } = ADMIN_PROBLEMS[problem.code];
  return {
    type: problemType(problem.code),
    title,
    status,
    code: problem.code,
    ...(problem.detail === undefined ? {} : { detail: problem.detail }),
    ...(problem.errors === undefined ? {} : { errors: problem.errors }),
    traceId,
  };
}

/** `ADMIN_NOT_FOUND` has the type `urn:parley:problem:not-found`. */
export function problemType(code: AdminProblemCode): string {
  return `urn:parley:problem:${code.replace('ADMIN_', '').toLowerCase().replaceAll('_', '-')}`;
}
