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
      // The endpoint reuses its buffer, and QUIC decrypts in place.
      path.onData((bytes) => listener(new Uint8Array(bytes)));
    },
    onPath: (listener) => {
      path.onPath(({ kind }) => listener(kind));
      path.onFailed(() => listener(path.current?.kind ?? 'none'));
    },
    close: () => path.close(),
  };
}
