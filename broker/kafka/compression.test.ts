import { gzipSync } from 'node:zlib';
import { compress as zstd } from '@mongodb-js/zstd';
import { compressFrameSync } from 'lz4-napi';
import { compressSync as snappy } from 'snappy';
import { describe, expect, test } from 'vitest';
import { codecs, decompress } from './compression.ts';

const sizeMax = 1_048_576;
const text = Buffer.from('a line of text that repeats, '.repeat(9_000));
const bomb = Buffer.alloc(32 * 1_048_576);

const packers: Record<string, (bytes: Buffer) => Promise<Buffer> | Buffer> = {
  gzip: gzipSync,
  snappy: (bytes) => snappy(bytes),
  lz4: (bytes) => compressFrameSync(bytes),
  zstd: (bytes) => zstd(bytes),
};

describe.each(Object.keys(packers))('%s', (name) => {
  const codec = codecs[name as keyof typeof codecs];
  const pack = packers[name]!;

  test('gives back what was packed', async () => {
    expect(text.equals(await decompress(codec, await pack(text), sizeMax))).toBe(true);
  });

  test('refuses to grow beyond the limit', async () => {
    await expect(decompress(codec, await pack(bomb), sizeMax)).rejects.toThrow();
  });

  test('refuses damaged and cut bytes', async () => {
    const packed = await pack(text);
    await expect(
      decompress(codec, Buffer.from('not packed at all, no'), sizeMax),
    ).rejects.toThrow();
    const cut = decompress(codec, packed.subarray(0, packed.length >> 1), sizeMax);
    const result = await cut.then(
      (bytes) => bytes.length,
      () => -1,
    );
    expect(result).toBeLessThan(text.length);
  });
});

test('snappy in Xerial framing is read block by block, and its sum is bounded', async () => {
  const block = snappy(text);
  const length = Buffer.alloc(4);
  length.writeInt32BE(block.length);
  const header = Buffer.from('82534e41505059000000000100000001', 'hex');
  const framed = Buffer.concat([header, length, block, length, block]);
  const twice = Buffer.concat([text, text]);
  expect(twice.equals(await decompress(codecs.snappy, framed, sizeMax))).toBe(true);
  await expect(decompress(codecs.snappy, framed, text.length + 1)).rejects.toThrow();
});

test('an unknown codec is an error, not a guess', async () => {
  await expect(decompress(5, text, sizeMax)).rejects.toThrow();
});
