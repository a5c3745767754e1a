import { pino } from 'pino';
import { systemClock } from '../clock/system-clock.ts';
import { Metrics } from '../observability/metrics.ts';
import { MemoryAdminKeyRepository } from './admin-key.memory.ts';
import { createAdminApplication } from './create-admin-application.ts';
import { OPENAPI_HOLDER, type OpenApiHolder } from './openapi.controller.ts';

/** The text of docs/reference/openapi.json: the same document that the API serves, made without a database. */
export async function renderOpenApi(): Promise<string> {
  const app = await createAdminApplication({
    logger: pino({ level: 'silent' }),
    metrics: new Metrics({ withProcess: false }),
    clock: systemClock,
    adminKeys: new MemoryAdminKeyRepository(),
    presence: undefined,
    cluster: undefined,
  });
  const document = app.get<OpenApiHolder>(OPENAPI_HOLDER).describe?.();
  await app.close();
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
