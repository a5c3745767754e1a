import type { AuditRecord } from '../admin/audit.ts';
import type { Prisma } from './generated/client.ts';

/** The row of an audit record, for the transaction of the change that it is about. */
export function auditRow({
  tenant,
  actor,
  action,
  target,
  traceId,
  detail,
}: AuditRecord): Prisma.AuditEntryUncheckedCreateInput {
  return {
    tenantId: tenant,
    actor,
    action,
    target,
    outcome: 'done',
    traceId: traceId ?? null,
    ...(detail === undefined ? {} : { detail: JSON.parse(JSON.stringify(detail)) as Prisma.InputJsonObject }),
  };
}
