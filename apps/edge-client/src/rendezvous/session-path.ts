import { formatTransportAddress, type IceRelays } from '@parley/nat';
import type { DatagramPath, SessionPath, SessionRelays } from '../session/datagram-path.ts';
import type { PathNegotiation } from './path-negotiation.ts';

/** A session's view of an ICE path: no addresses but those of relays, one listener, bytes that it may keep. */
export function sessionPathOf(negotiation: PathNegotiation): DatagramPath {
  const { path } = negotiation;
  return {
    get state(): SessionPath {
      return path.current?.kind ?? 'none';
    },
    relays: () => describeRelays(path.current?.relays),
    send: (packet, expectsAnswer) => path.send(packet, { expectsAnswer }),
    onData: (listener) => {
      path.onData(listener);
    },
    onPath: (listener) => {
      path.onPath(({ kind }) => listener(kind));
      path.onPathLost(() => listener('none'));
    },
    close: () => path.close(),
    restart: () => {
      // Unheard by the other end, a restart would only throw away what may still answer.
      if (!negotiation.isOnline) return false;
      negotiation.restart();
      return true;
    },
    checksSent: () => {
      const { checksSent, predictedChecksSent, guessesSent } = path.stats();
      return checksSent + predictedChecksSent + guessesSent;
    },
  };
}

function describeRelays(relays: IceRelays | undefined): SessionRelays | undefined {
  return (
    relays && {
      ...(relays.own ? { own: formatTransportAddress(relays.own) } : {}),
      ...(relays.peer ? { peer: formatTransportAddress(relays.peer) } : {}),
    }
  );
}
