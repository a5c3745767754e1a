import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { EMPTY, firstValueFrom, type Observable } from 'rxjs';
import { RequestPipeline, type HandlerArguments } from './request-pipeline.ts';

/** Leads every request of a gateway class through the one pipeline, which also sends the acknowledgement. */
@Injectable()
export class RequestInterceptor implements NestInterceptor {
  constructor(private readonly pipeline: RequestPipeline) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<never> {
    const received = context.getArgs<HandlerArguments>();
    void this.pipeline.serve(received, () => firstValueFrom(next.handle()));
    return EMPTY;
  }
}
