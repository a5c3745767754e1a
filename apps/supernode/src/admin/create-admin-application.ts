import { randomBytes } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import helmet from 'helmet';
import { nestOptions } from '../observability/nest-logger.ts';
import { AdminModule, type AdminPorts } from './admin.module.ts';
import type { AdminRequest, AdminResponse } from './http-exchange.ts';
import { OPENAPI_HOLDER, type OpenApiHolder } from './openapi.controller.ts';

/** Version of the REST API, not of the product: it changes when a resource does. */
const API_VERSION = '1.0';

/** Builds the admin application; the caller lets it listen. */
export async function createAdminApplication(ports: AdminPorts): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(
    AdminModule.forRoot(ports),
    nestOptions(ports.logger, true),
  );
  app.disable('x-powered-by');
  app.use(helmet({ strictTransportSecurity: false })); // this listener speaks plain HTTP
  app.use(assignTraceId);
  try {
    await app.init();
    app.get<OpenApiHolder>(OPENAPI_HOLDER).describe = () => describe(app);
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

function describe(app: NestExpressApplication): OpenAPIObject {
  const head = new DocumentBuilder()
    .setTitle('Parley supernode admin API')
    .setDescription(
      'Errors are RFC 9457 problems with a stable `code`. Lists are paged with `cursor` and `limit`.',
    )
    .setVersion(API_VERSION)
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth({ type: 'http', description: 'An admin key' }, 'adminKey')
    .build();
  return SwaggerModule.createDocument(app, head);
}

/** Takes the trace of a caller that has one (W3C Trace Context), so that a problem is found in both logs. */
function assignTraceId(request: AdminRequest, response: AdminResponse, next: () => void): void {
  const header = request.headers['traceparent'];
  const given =
    typeof header === 'string' ? /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(header)?.[1] : undefined;
  request.traceId = given ?? randomBytes(16).toString('hex');
  response.setHeader('X-Trace-Id', request.traceId);
  response.setHeader('Cache-Control', 'no-store');
  next();
}
