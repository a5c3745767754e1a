import {
  applyDecorators,
  createParamDecorator,
  UseInterceptors,
  type ExecutionContext,
} from '@nestjs/common';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import type { ClientRequestName } from '@parley/protocol';
import type { Caller } from '../identity/caller.ts';
import { Refusal } from '../refusal.ts';
import type { Connection } from './connection.ts';
import type { EdgeSocket } from './edge-socket.ts';
import { RequestInterceptor } from './request.interceptor.ts';

/** A class of handlers on the one socket.io server, behind the one pipeline. */
export function EdgeGateway(): ClassDecorator {
  return applyDecorators(WebSocketGateway(), UseInterceptors(RequestInterceptor));
}

/** Handles a request of the protocol; its name is checked by the compiler. */
export function OnRequest(name: ClientRequestName): MethodDecorator {
  return SubscribeMessage(name);
}

/** The connection that a request came on. */
export const FromConnection = createParamDecorator((_, context: ExecutionContext): Connection =>
  connectionOf(context),
);

/** The device that is signed in on the connection; the pipeline has checked the audience before. */
export const FromCaller = createParamDecorator((_, context: ExecutionContext): Caller => {
  const { device } = connectionOf(context);
  if (!device) throw new Refusal('NOT_AUTHENTICATED');
  return device.caller;
});

function connectionOf(context: ExecutionContext): Connection {
  return context.switchToWs().getClient<EdgeSocket>().data.connection;
}
