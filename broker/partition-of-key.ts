// Which partition a key belongs to: murmur2 over its bytes, as in Kafka's own producers, so that points of one key
// written by us and by others meet in one partition.

/** Kafka's default: murmur2, sign bit off, modulo the number of partitions. */
export function partitionOfKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

/** MurmurHash2 by A. Appleby, 32 bits, with Kafka's seed; a signed integer. */
export function murmur2(bytes: Uint8Array): number {
  const m = 0x5bd1e995;
  const tail = bytes.length & ~3;
  let h = 0x9747b28c ^ bytes.length;
  for (let at = 0; at < tail; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    k = Math.imul(k, m);
    k = Math.imul(k ^ (k >>> 24), m);
    h = Math.imul(h, m) ^ k;
  }
  const left = bytes.length - tail;
  if (left === 3) h ^= bytes[tail + 2]! << 16;
  if (left >= 2) h ^= bytes[tail + 1]! << 8;
  if (left >= 1) h = Math.imul(h ^ bytes[tail]!, m);
  h = Math.imul(h ^ (h >>> 13), m);
  return h ^ (h >>> 15);
}
