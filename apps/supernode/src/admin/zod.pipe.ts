import type { PipeTransform } from '@nestjs/common';
import type { z } from 'zod';
import { AdminProblem, type AdminProblemCode } from './problem.ts';

/** Checks a query, parameter or body against its schema and names the places that are wrong, not their values. */
export class ZodPipe<Schema extends z.ZodType> implements PipeTransform<unknown, z.infer<Schema>> {
  constructor(
    private readonly schema: Schema,
    private readonly code: AdminProblemCode = 'ADMIN_INVALID_PARAMETER',
  ) {}

  transform(value: unknown): z.infer<Schema> {
    const parsed = this.schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const errors = parsed.error.issues.map((issue) => ({
      field: issue.path.map(String).join('.') || 'body',
      // The schema library's own texts may quote what was sent (unknown keys); codes do not.
      reason: issue.code === 'custom' ? issue.message : issue.code.replaceAll('_', ' '),
    }));
    throw new AdminProblem(this.code, undefined, errors);
  }
}
