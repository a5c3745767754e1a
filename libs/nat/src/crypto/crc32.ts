/** CRC-32 of ISO 3309 (reflected polynomial 0xEDB88320), for runtimes whose zlib has none. */
const REFLECTED_POLYNOMIAL = 0xedb88320;
const TABLE = buildTable();

export function crc32(data: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of data) {
    remainder = (remainder >>> 8) ^ (TABLE[(remainder ^ byte) & 0xff] as number);
  }
  return (remainder ^ 0xffffffff) >>> 0;
}

function buildTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit += 1) {
      remainder = remainder & 1 ? (remainder >>> 1) ^ REFLECTED_POLYNOMIAL : remainder >>> 1;
    }
    table[byte] = remainder;
  }
  return table;
}
