import {
  instant,
  Method,
  newTransactionId,
  StunMessageBuilder,
  StunServer,
  transportAddress,
} from '@parley/nat';
import { nodeCrypto } from '@parley/nat/node';
import stun from 'stun';
import { compared, type Benchmark, type BenchmarkResult } from './figures.ts';

const ROUNDS = 7;
const ROUND_MS = 400;
/** Both are still being optimised during their first second, the package longer than Parley. */
const WARM_UP_MS = 3_000;
const BATCH = 500;
const CLIENT = transportAddress('192.0.2.1', 5000);
const SERVER = 'primary' as const;

/** How often per second `answer` makes a response out of the bytes of a request. */
function rate(requests: readonly Buffer[], answer: (request: Buffer) => number, roundMs = ROUND_MS): number {
  const until = performance.now() + roundMs;
  const began = performance.now();
  let answered = 0;
  while (performance.now() < until) {
    for (let n = 0; n < BATCH; n += 1) {
      const request = requests[n % requests.length];
      if (request && answer(request) > 0) answered += 1;
    }
  }
  return answered / ((performance.now() - began) / 1000);
}

function binding(withFingerprint: boolean): Buffer {
  const builder = new StunMessageBuilder('request', Method.BINDING, newTransactionId(nodeCrypto));
  return Buffer.from((withFingerprint ? builder.addFingerprint(nodeCrypto) : builder).toBytes());
}

/** The whole way of a server: received bytes, decision, bytes of the response. Gives the length of the response. */
function parleyServer(): (request: Buffer) => number {
  const unlimited = { perSecond: 1e12, burst: 1e12 };
  const server = new StunServer({ crypto: nodeCrypto, replyBudget: unlimited });
  return (request) => {
    const [output] = server.handle(
      { kind: 'datagram', bytes: request, from: CLIENT, socket: SERVER },
      instant(0),
    );
    return output?.kind === 'send' ? output.bytes.length : 0;
  };
}

/** The same with the `stun` package: it decodes, we copy the transaction id and add the address, it encodes. */
function packageServer(request: Buffer): number {
  const decoded = stun.decode(request);
  const response = stun.createMessage(stun.constants.STUN_BINDING_RESPONSE, decoded.transactionId);
  response.addXorAddress(CLIENT.address, CLIENT.port);
  return response.toBuffer().length;
}

export const stunCodec: Benchmark = {
  name: 'stun-codec',
  what: 'Binding request to response in process, against the `stun` package in the same run',
  run(): Promise<BenchmarkResult> {
    const parley = parleyServer();
    const measure = (requests: readonly Buffer[]) =>
      Array.from({ length: ROUNDS }, () => ({
        value: rate(requests, parley),
        yardstick: rate(requests, packageServer),
      }));
    const requests = (withFingerprint: boolean) => Array.from({ length: 64 }, () => binding(withFingerprint));
    const plain = requests(false);
    const fingerprinted = requests(true);
    for (const warming of [plain, fingerprinted]) {
      rate(warming, parley, WARM_UP_MS);
      rate(warming, packageServer, WARM_UP_MS);
    }
    return Promise.resolve({
      figures: {
        bindingsPerSecond: compared(measure(plain), 'responses/s', 'stun package'),
        fingerprintedBindingsPerSecond: compared(
          measure(fingerprinted),
          'responses/s',
          'stun package, no fingerprint in its response',
        ),
      },
      notes: [
        'the package neither checks the fingerprint of the request nor adds one to the response; Parley does both',
      ],
    });
  },
};
