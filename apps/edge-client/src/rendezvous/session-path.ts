import type { IcePath } from '@parley/nat/node';
import type { DatagramPath, SessionPath } from '../session/datagram-path.ts';

/** A session's view of an ICE path: no addresses, one listener, bytes that it may keep. */
export function sessionPathOf(path: IcePath): DatagramPath {
  return {
    get state(): SessionPath {
      return path.current?.kind ?? 'none';
    },
    send: (packet, expectsAnswer) => path.send(packet, { expectsAnswer }),
    onData: (listener) => {
      path.onData(listener);
    },
    onPath: (listener) => {
      path.onPath(({ kind }) => listener(kind));
      path.onPathLost(() => listener('none'));
    },
    close: () => path.close(),
    checksSent: () => {
      const { checksSent, predictedChecksSent, guessesSent } = path.stats();
      return checksSent + predictedChecksSent + guessesSent;
    },
  };
}
