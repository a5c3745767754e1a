import { applyDecorators } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiExtension, ApiOperation, ApiQuery, ApiResponse } from '@nestjs/swagger';
import { z } from 'zod';
import { problemSchema } from './admin-schemas.ts';
import { ADMIN_PROBLEMS, type AdminProblemCode } from './problem.ts';
import { RequireScope, type AdminScope } from './scope.ts';

interface RouteDocumentation {
  readonly summary: string;
  readonly scope: AdminScope;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly response: { readonly status: number; readonly description: string; readonly schema?: z.ZodType };
  /** Problems besides those that every route has. */
  readonly problems?: readonly AdminProblemCode[];
}

const EVERYWHERE: readonly AdminProblemCode[] = [
  'ADMIN_UNAUTHENTICATED',
  'ADMIN_SCOPE_MISSING',
  'ADMIN_STORE_UNAVAILABLE',
  'ADMIN_INTERNAL',
];

const PROBLEM = jsonSchemaOf(problemSchema, 'output');

/** Declares a route of the admin API once: the scope that guards it and its entry in the OpenAPI document. */
export function AdminRoute(route: RouteDocumentation): MethodDecorator {
  const { status, description, schema } = route.response;
  return applyDecorators(
    RequireScope(route.scope),
    ApiBearerAuth('adminKey'),
    ApiExtension('x-required-scope', route.scope),
    ApiOperation({ summary: route.summary }),
    ...queryDecorators(route.query),
    ...(route.body === undefined ? [] : [ApiBody({ schema: jsonSchemaOf(route.body, 'input') })]),
    ApiResponse({
      status,
      description,
      ...(schema === undefined ? {} : { schema: jsonSchemaOf(schema, 'output') }),
    }),
    ...problemDecorators([...(route.problems ?? []), ...EVERYWHERE]),
  );
}

function queryDecorators(query: z.ZodObject | undefined): MethodDecorator[] {
  if (query === undefined) return [];
  return Object.entries(query.shape).map(([name, field]) => {
    const { description, ...schema } = jsonSchemaOf(field as z.ZodType, 'input');
    const text = typeof description === 'string' ? { description } : {};
    return ApiQuery({ name, required: false, schema, ...text });
  });
}

/** Codes that share a status share one response. */
function problemDecorators(codes: readonly AdminProblemCode[]): MethodDecorator[] {
  const byStatus = new Map<number, AdminProblemCode[]>();
  for (const code of codes) {
    const { status } = ADMIN_PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return [...byStatus].map(([status, group]) =>
    ApiResponse({
      status,
      description: group.map((code) => `\`${code}\`: ${ADMIN_PROBLEMS[code].title}`).join('; '),
      content: { 'application/problem+json': { schema: PROBLEM } },
    }),
  );
}

/** JSON Schema 2020-12, which is the schema language of OpenAPI 3.1. */
function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _dialect, ...jsonSchema } = z.toJSONSchema(schema, { io });
  return jsonSchema;
}
