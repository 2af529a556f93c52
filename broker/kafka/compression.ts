// The codecs of record batches, for reading. Every output is bounded before or while it is made: a batch of a few bytes
// may claim gigabytes.

import { gunzipSync } from 'node:zlib';
import { decompress as unzstd } from '@mongodb-js/zstd';
import { decompressFrameSync } from 'lz4-napi';
import { uncompressSync as unsnappy } from 'snappy';

export const codecs = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

/** @throws Error when the bytes are damaged, of an unknown codec, or would grow beyond `bytesMax`. */
export async function decompress(
  codec: number,
  bytes: Uint8Array,
  bytesMax: number,
): Promise<Uint8Array> {
  switch (codec) {
    case codecs.none:
      return bytes;
    case codecs.gzip:
      return gunzipSync(bytes, { maxOutputLength: bytesMax });
    case codecs.snappy:
      return unsnappyBlocks(bytes, bytesMax);
    case codecs.lz4:
      bounded(lz4Bound(bytes), bytesMax);
      return decompressFrameSync(asBuffer(bytes));
    case codecs.zstd:
      bounded(zstdBound(bytes), bytesMax);
      return unzstd(asBuffer(bytes));
    default:
      throw new Error(`compression codec ${codec} is unknown`);
  }
}

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeaderBytes = 16;

/** Java writes Xerial's framing: magic, two int32, then blocks with int32 lengths. Others write one bare block. */
function unsnappyBlocks(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const input = asBuffer(bytes);
  if (!input.subarray(0, xerialMagic.length).equals(xerialMagic)) {
    return unsnappyBlock(input, bytesMax);
  }
  const blocks: Uint8Array[] = [];
  let total = 0;
  for (let at = xerialHeaderBytes; at < input.length; ) {
    const length = input.readInt32BE(at);
    at += 4;
    if (length < 0 || length > input.length - at) throw new Error('a snappy block is cut');
    const block = unsnappyBlock(input.subarray(at, at + length), bytesMax - total);
    blocks.push(block);
    total += block.length;
    at += length;
  }
  return Buffer.concat(blocks, total);
}

/** A snappy block begins with its length, a varint. */
function unsnappyBlock(block: Buffer, bytesMax: number): Uint8Array {
  let length = 0;
  for (let index = 0; index < 5; index += 1) {
    const byte = block[index] ?? 0;
    length += (byte & 127) * 2 ** (7 * index);
    if (byte < 128) break;
  }
  bounded(length, bytesMax);
  return unsnappy(block) as Buffer;
}

/** At most this many bytes come out of an lz4 frame: its blocks, each full. */
function lz4Bound(bytes: Uint8Array): number {
  const input = asBuffer(bytes);
  const flags = input.readUInt8(4);
  const blockBytesMax = 2 ** (8 + 2 * ((input.readUInt8(5) >> 4) & 7));
  const checksumBytes = (flags & 0x10) === 0 ? 0 : 4;
  let at = 7 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4);
  let blocks = 0;
  while (at + 4 <= input.length) {
    const size = input.readUInt32LE(at) & 0x7fff_ffff;
    if (size === 0) break;
    blocks += 1;
    at += 4 + size + checksumBytes;
  }
  // The last block is seldom full; one is given for free.
  return Math.max(0, blocks - 1) * blockBytesMax;
}

const zstdBlockBytesMax = 131_072;
const zstdDictionaryIdBytes = [0, 1, 2, 4] as const;
const zstdContentSizeBytes = [0, 2, 4, 8] as const;

/** At most this many bytes come out of zstd frames: a run-length block of 4 bytes can stand for 128 KiB. */
function zstdBound(bytes: Uint8Array): number {
  const input = asBuffer(bytes);
  let total = 0;
  let at = 0;
  while (at + 5 <= input.length) {
    const magic = input.readUInt32LE(at);
    if ((magic & 0xffff_fff0) >>> 0 === 0x184d_2a50) {
      at += 8 + input.readUInt32LE(at + 4);
      continue;
    }
    if (magic !== 0xfd2f_b528) throw new Error('not a zstd frame');
    const descriptor = input.readUInt8(at + 4);
    const singleSegment = (descriptor & 0x20) !== 0;
    const contentSize = zstdContentSizeBytes[(descriptor >> 6) as 0 | 1 | 2 | 3];
    at += 5 + (singleSegment ? 0 : 1) + zstdDictionaryIdBytes[(descriptor & 3) as 0 | 1 | 2 | 3];
    at += contentSize === 0 && singleSegment ? 1 : contentSize;
    for (let last = false; !last && at + 3 <= input.length; ) {
      const header = input.readUIntLE(at, 3);
      const size = header >> 3;
      const kind = (header >> 1) & 3;
      last = (header & 1) === 1;
      total += kind === 2 ? zstdBlockBytesMax : size;
      at += 3 + (kind === 1 ? 1 : size);
    }
    at += (descriptor & 4) === 0 ? 0 : 4;
  }
  // The last block is seldom full; one is given for free.
  return Math.max(0, total - zstdBlockBytesMax);
}

function bounded(length: number, bytesMax: number): void {
  if (length > bytesMax) {
    throw new Error(`it would grow to ${length} bytes; the limit is ${bytesMax}`);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
