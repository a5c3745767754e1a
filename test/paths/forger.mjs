/**
 * Sends forged datagrams of all kinds to one client. Argument: `{ sources, target, ufrags, rounds }`; a source is an address and
 * port of this machine, whatever the network thinks of it. Prints how many it sent.
 */
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import {
  IceControlling,
  Method,
  Priority,
  shortTermKey,
  StunMessageBuilder,
  transportAddress,
  UseCandidate,
  Username,
  XorMappedAddress,
} from '@parley/nat';
import { nodeCrypto } from '@parley/nat/node';

const GAP_MS = 5;
const { sources, target, ufrags, rounds } = JSON.parse(process.argv[2]);

/** Well-formed, and signed with a password that nobody has. */
function close(builder) {
  return builder
    .addMessageIntegrity(nodeCrypto, shortTermKey('a password of nobody'))
    .addFingerprint(nodeCrypto)
    .toBytes();
}

function check(ufrag) {
  return close(
    new StunMessageBuilder('request', Method.BINDING, randomBytes(12))
      .add(Username, `${ufrag}:forger`)
      .add(Priority, 2_130_706_431)
      .add(IceControlling, randomBytes(8).readBigUInt64BE())
      .add(UseCandidate, true),
  );
}

/** Says where the receiver is seen, as a STUN server or a peer would. */
function answer(source) {
  return close(
    new StunMessageBuilder('success', Method.BINDING, randomBytes(12)).add(
      XorMappedAddress,
      transportAddress(source.address, source.port),
    ),
  );
}

/** Of each kind of datagram that RFC 7983 and 9443 tell apart, and of the registered flow. */
function noise() {
  return Buffer.concat([Buffer.of(Math.floor(Math.random() * 256)), randomBytes(60)]);
}

let sent = 0;
for (const source of sources) {
  const socket = createSocket('udp4');
  socket.bind(source.port, source.address);
  await once(socket, 'listening');
  for (let round = 0; round < rounds; round += 1) {
    for (const bytes of [...[...ufrags, 'none'].map(check), answer(source), noise(), noise()]) {
      socket.send(bytes, target.port, target.address);
      sent += 1;
    }
    await delay(GAP_MS);
  }
  socket.close();
}
process.stdout.write(`${sent}\n`);
