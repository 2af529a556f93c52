// The checksum of a record batch. It covers all that follows it, so every byte to and from Kafka passes here.

import { crc32c } from '@node-rs/crc32';
import { nativeCodec } from '../../schemas/index.ts';

/** CRC32C of bytes [start, end): by our own codec where it has it, in a quarter of the time. */
export function crcOf(
  bytes: Uint8Array,
  start: number,
  end: number,
  codec = nativeCodec(),
): number {
  return codec?.crc32c?.(bytes, start, end) ?? crc32c(bytes.subarray(start, end));
}
