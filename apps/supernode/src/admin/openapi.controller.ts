import { Controller, Get, Inject } from '@nestjs/common';
import { ApiExcludeController, type OpenAPIObject } from '@nestjs/swagger';
import { PublicRoute } from './scope.ts';

/** Filled once the application is complete: the document describes its routes, and is made when somebody reads it. */
export interface OpenApiHolder {
  describe: (() => OpenAPIObject) | undefined;
}

export const OPENAPI_HOLDER = Symbol('OpenApiHolder');

/** The description of this API; it holds nothing that the public source does not. */
@ApiExcludeController()
@Controller('v1/openapi.json')
export class OpenApiController {
  private document: OpenAPIObject | undefined;

  constructor(@Inject(OPENAPI_HOLDER) private readonly holder: OpenApiHolder) {}

  @Get()
  @PublicRoute()
  read(): OpenAPIObject | undefined {
    return (this.document ??= this.holder.describe?.());
  }
}
