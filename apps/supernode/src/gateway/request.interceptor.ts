import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { EMPTY, firstValueFrom, type Observable } from 'rxjs';
import type { ReceivedRequest } from './request-handlers.ts';
import { RequestPipeline, type HandlerArguments } from './request-pipeline.ts';

/** Leads every request of a gateway class through the one pipeline, which also sends the acknowledgement. */
@Injectable()
export class RequestInterceptor implements NestInterceptor {
  constructor(private readonly pipeline: RequestPipeline) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<never> {
    // Nest bound the handler to no socket: what came says which one it is.
    const received = context.getArgs<[unknown, ReceivedRequest, ...unknown[]]>();
    const [, { socket, payload }] = received;
    const request = Object.assign(received, [socket, payload]) as unknown as HandlerArguments;
    void this.pipeline.serve(request, () => firstValueFrom(next.handle()));
    return EMPTY;
  }
}
