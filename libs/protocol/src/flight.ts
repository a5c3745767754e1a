/** The bytes whose SHA-256 is a `flightHash`: each packet preceded by its length as 16 bits, big-endian. */
export function flightHashInput(packets: readonly Uint8Array[]): Uint8Array {
  const input = new Uint8Array(packets.reduce((sum, packet) => sum + 2 + packet.length, 0));
  const view = new DataView(input.buffer);
  let at = 0;
  for (const packet of packets) {
    view.setUint16(at, packet.length);
    input.set(packet, at + 2);
    at += 2 + packet.length;
  }
  return input;
}
