import { Inject, Injectable, Logger } from '@nestjs/common';
import {
  accepted,
  CLIENT_REQUESTS,
  type Acknowledgement,
  type ClientRequestName,
  type RequestAudience,
} from '@parley/protocol';
import { SCHEDULER, type Scheduler } from '../clock/scheduler.port.ts';
import { SupernodeError } from '../errors.ts';
import { Metrics } from '../observability/metrics.ts';
import { Refusal } from '../refusal.ts';
import type { Connection } from './connection.ts';
import type { EdgeSocket } from './edge-socket.ts';
import { FollowedReply } from './reply.ts';
import { UserHomes } from './user-homes.ts';
import { mapError } from './wire-errors.ts';

/** A handler that takes longer is answered for; what it still does is its own matter. */
const DEADLINE_MS = 15_000;
/** When a client comes again whose sign-in took longer. */
const OVERLOAD_RETRY_MS = 1_000;
const OVERLOAD_WINDOW_MS = 10_000;

type Acknowledge = (reply: Acknowledgement<unknown>) => void;
/** Nest's arguments of a handler: socket, payload, acknowledgement, name of the event. */
export type HandlerArguments = [EdgeSocket, unknown, Acknowledge, ClientRequestName];

/**
 * What happens around every handler: audience, schema, deadline, one acknowledgement, typed errors. The handler gets the
 * parsed request in place of the received one.
 */
@Injectable()
export class RequestPipeline {
  private readonly logger = new Logger(RequestPipeline.name);
  private readonly requests;

  constructor(
    metrics: Metrics,
    private readonly homes: UserHomes,
    @Inject(SCHEDULER) private readonly scheduler: Scheduler,
  ) {
    this.requests = metrics.counter('edge_requests_total', 'Requests of edge clients, by event and outcome', [
      'event',
      'outcome',
    ]);
  }

  /** Never rejects: whatever happens becomes the acknowledgement, which is sent here so that more can follow it. */
  async serve(received: HandlerArguments, handle: () => Promise<unknown>): Promise<void> {
    const [socket, payload, acknowledge, event] = received;
    const { connection } = socket.data;
    connection.requestBegins();
    try {
      this.admit(CLIENT_REQUESTS[event].audience, connection);
      received[1] = parse(event, payload);
      const result = await this.withDeadline(handle(), () => this.expired(event, connection));
      const reply = result instanceof FollowedReply ? result : new FollowedReply(result, () => undefined);
      acknowledge(accepted(reply.data));
      this.requests.inc({ event, outcome: 'ok' });
      reply.afterwards();
    } catch (error) {
      acknowledge(this.answerTo(this.withHome(error, connection), event));
    } finally {
      connection.requestEnds();
    }
  }

  /** Answers the parts of a request, each as an `event` of its own. A fault that several of them share is logged once. */
  answerEach<Data>(
    event: ClientRequestName,
    results: readonly PromiseSettledResult<Data>[],
  ): Acknowledgement<Data>[] {
    const faults = new Map<unknown, Acknowledgement<never>>();
    return results.map((result) => {
      if (result.status === 'fulfilled') {
        this.requests.inc({ event, outcome: 'ok' });
        return accepted(result.value);
      }
      const reason: unknown = result.reason;
      const known = faults.get(reason);
      if (known && !known.ok) this.requests.inc({ event, outcome: known.error.code });
      const answer = known ?? this.answerTo(reason, event);
      faults.set(reason, answer);
      return answer;
    });
  }

  private admit(audience: RequestAudience, connection: Connection): void {
    if (audience === 'anyone') return;
    const { device } = connection;
    if (!device) throw new Refusal('NOT_AUTHENTICATED');
    if (audience === 'linked' && !device.caller.linked) {
      throw new Refusal(device.hasAccount ? 'DEVICE_NOT_LINKED' : 'ACCOUNT_REQUIRED');
    }
    this.homes.require(device.caller);
  }

  /** A store that knows a later owner says only that this supernode is none: the roster says where to go. */
  private withHome(error: unknown, { device }: Connection): unknown {
    const isMoved = error instanceof SupernodeError && error.code === 'SN_NOT_OWNER';
    return isMoved && device ? this.homes.refusal(device.caller) : error;
  }

  private answerTo(error: unknown, event: ClientRequestName): Acknowledgement<never> {
    const { reply, correlationId } = mapError(error);
    if (correlationId !== undefined) {
      const cause = error instanceof Error ? error.stack : String(error);
      this.logger.error(`${event} failed, correlation id ${correlationId}`, cause);
    }
    this.requests.inc({ event, outcome: reply.ok ? 'ok' : reply.error.code });
    return reply;
  }

  private expired(event: ClientRequestName, connection: Connection): Error {
    const late = 'The handler did not answer within its deadline.';
    if (CLIENT_REQUESTS[event].audience !== 'anyone') return new SupernodeError('SN_INVARIANT', late);
    // The work may still sign a device in, of which the client then knows nothing: it starts over on a new connection. That it
    // lasted so long is no fault but a storm.
    this.logger.warn(`${event}: ${late}`);
    connection.close();
    return new Refusal('BUSY', undefined, OVERLOAD_RETRY_MS, { windowMs: OVERLOAD_WINDOW_MS });
  }

  private withDeadline(work: Promise<unknown>, expired: () => Error): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const cancel = this.scheduler.after(DEADLINE_MS, () => reject(expired()));
      work.then(resolve, reject).finally(cancel);
    });
  }
}

/** Says which member of the request is wrong, by its name in our schema, and never what was sent. */
function parse(event: ClientRequestName, payload: unknown): unknown {
  const schema = CLIENT_REQUESTS[event].request;
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  const member = result.error.issues[0]?.path[0];
  const isOurs = typeof member === 'string' && 'shape' in schema && Object.hasOwn(schema.shape, member);
  throw new Refusal('BAD_REQUEST', isOurs ? `The member "${member}" does not fit the schema.` : undefined);
}
