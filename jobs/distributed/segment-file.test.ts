import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseKernels, MemoryRows, type RangeRows } from '../../clustering/index.ts';
import { Random } from '../../support/index.ts';
import { RangeHolder } from './range-holder.ts';
import { SegmentFormat, SegmentWriter } from './segment-file.ts';

const dims = 3;
const { kernels } = chooseKernels();
const space = {
  ...({ metric: 'euclidean', missing: 'reject', featureMeans: new Float64Array(0) } as const),
  mean: Float64Array.of(0.5, 0, -1),
  scale: Float64Array.of(2, 1, 0.1),
};
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meanstream-segments-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function points(n: number): Float32Array {
  const random = new Random(n);
  return Float32Array.from({ length: n * dims }, () => random.normal());
}

function read(blocks: Iterable<{ values: Float32Array; weights: Float32Array | undefined }>) {
  const values: number[] = [];
  const weights: number[] = [];
  for (const block of blocks) {
    for (const value of block.values) values.push(value);
    for (const weight of block.weights ?? []) weights.push(weight);
  }
  const bytes = (numbers: number[]) => Buffer.from(Float32Array.from(numbers).buffer);
  return { values: bytes(values), weights: bytes(weights) };
}

describe.each([
  ['plain', undefined],
  ['encrypted', new Uint8Array(32).fill(7)],
])('a %s segment', (_name, key) => {
  const write = (n: number, weights?: Float32Array) => {
    const format = new SegmentFormat(dims, kernels, key);
    const writer = new SegmentWriter(join(folder, 'a'), format);
    const values = points(n);
    for (let from = 0; from < n; from += 1_000) {
      const to = Math.min(n, from + 1_000);
      writer.append(
        values.subarray(from * dims, to * dims),
        weights?.subarray(from, to),
        to - from,
      );
    }
    return { values, segment: writer.finish(), format };
  };

  it('gives back the rows as they came, then scaled as rows in memory are, as often as asked', () => {
    const n = 200_001;
    const weights = Float32Array.from({ length: n }, (_, i) => i % 3);
    const { values, segment } = write(n, weights);
    const raw = read(segment.raw());
    expect(raw.values.equals(Buffer.from(values.buffer))).toBe(true);
    expect(raw.weights.equals(Buffer.from(weights.buffer))).toBe(true);
    const memory: RangeRows = new MemoryRows(values.slice(), weights, dims, kernels);
    const expected = read(memory.scaled(space));
    const interrupted = segment.scaled(space)[Symbol.iterator]();
    interrupted.next();
    interrupted.return?.(undefined);
    for (let time = 0; time < 2; time++) {
      const found = read(segment.scaled(space));
      expect(found.values.equals(expected.values)).toBe(true);
      expect(found.weights.equals(expected.weights)).toBe(true);
    }
  });

  it('has no weights where each is 1, and may be empty', () => {
    expect(read(write(1_000).segment.raw()).weights).toHaveLength(0);
    rmSync(join(folder, 'a'));
    expect(read(write(0).segment.raw()).values).toHaveLength(0);
  });

  it('is refused where one bit is not what was written', () => {
    const { segment } = write(100_000);
    const bytes = readFileSync(join(folder, 'a'));
    bytes[bytes.length / 2]! ^= 4;
    writeFileSync(join(folder, 'a'), bytes);
    const corrupted = expect.objectContaining({ code: 'MEANSTREAM_SEGMENT_CORRUPTED' });
    expect(() => read(segment.raw())).toThrow(corrupted);
  });
});

it('holds no readable value on disk when it is encrypted', () => {
  const format = new SegmentFormat(dims, kernels, new Uint8Array(32).fill(9));
  const writer = new SegmentWriter(join(folder, 'a'), format);
  writer.append(new Float32Array(3_000).fill(1), undefined, 1_000);
  writer.finish();
  const ones = Buffer.from(new Float32Array(4).fill(1).buffer);
  expect(readFileSync(join(folder, 'a')).includes(ones)).toBe(false);
});

describe('what a worker holds', () => {
  const holder = (more: object) =>
    new RangeHolder({
      ...{ folder: join(folder, 'w'), dims, seed: 1, kernels, encrypted: false },
      ...{ diskBytesMax: 1e9, memoryBytesMax: 1e9, ...more },
    });
  async function* rows(n: number) {
    for (let i = 0; i < n; i++) {
      yield { values: points(10_000), weights: undefined, n: 10_000, records: 10_000 };
    }
  }

  it('stays within its limits of disk and memory, and says which is too low', async () => {
    const disk = holder({ diskBytesMax: 3e6 });
    await disk.pack(0, rows(2));
    const refused = { code: 'MEANSTREAM_INVALID_SETTING' };
    await expect(disk.pack(1, rows(30))).rejects.toMatchObject({
      ...refused,
      fields: { setting: 'retrain.disk.bytes.max' },
    });
    expect(readdirSync(join(folder, 'w'))).toEqual(['0-1.segment']);
    disk.close();
    const memory = holder({ memoryBytesMax: 300_000 });
    await memory.pack(0, rows(2));
    await expect(memory.pack(1, rows(1))).rejects.toMatchObject({
      ...refused,
      fields: { setting: 'retrain.memory.bytes.max' },
    });
  });

  it('is gone when it is closed', async () => {
    const held = holder({});
    expect((await held.pack(0, rows(1))).rows).toBe(10_000);
    held.close();
    expect(readdirSync(folder)).toEqual([]);
  });
});
