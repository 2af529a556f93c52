import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssignmentEncoder } from './assignment-encoder.ts';
import type { Assignment } from './messages.ts';
import type { PointBatch } from './point-batch.ts';
import { RecordBatchBuilder, recordKey, recordValue } from './record-batch.ts';

const model = { version: '1.0.17', clusterIds: ['c1', 'c2"\n'] };

function pointsOf(keys: readonly (Uint8Array | null)[]): PointBatch {
  const records = new RecordBatchBuilder();
  for (const key of keys) records.append(77, key, Buffer.from('[1]'));
  const n = keys.length;
  return {
    partition: 2,
    n,
    dims: 1,
    features: [],
    values: new Float32Array(n),
    weights: new Float32Array(n).fill(1),
    timestamps: new Float64Array(n).fill(1_700_000_000_000),
    offsets: Float64Array.from(keys, (_, row) => 9_007_199_254_740_000 + row),
    sourceRows: Int32Array.from(keys.keys()),
    records: Object.assign(records, {
      topic: 'points',
      partition: 2,
      offsets: new Float64Array(n),
      nextOffset: n,
    }),
    fromOffset: 0,
    nextOffset: n,
  };
}

function encode(keys: readonly (Uint8Array | null)[], distance: number) {
  const n = keys.length;
  const column = Float32Array.from({ length: n }, () => distance);
  const labels = Int32Array.from({ length: n }, (_, row) => row % 2);
  const answers = { labels, distances: column, margins: column, outlierScores: column };
  const out = new RecordBatchBuilder(2, 8);
  new AssignmentEncoder(model).encode(pointsOf(keys), answers, out);
  return out;
}

const parsed = (out: RecordBatchBuilder): Assignment[] =>
  Array.from({ length: out.n }, (_, row) =>
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(recordValue(out, row)!)),
  );

describe('an assignment encoder', () => {
  it('writes every field, in the order of the message', () => {
    const out = encode([Buffer.from('a')], 0.1);
    expect(Buffer.from(recordValue(out, 0)!).toString()).toBe(
      '{"key":"a","clusterId":"c1","distance":0.1,"margin":0.1,"outlierScore":0.1,' +
        '"modelVersion":"1.0.17","partition":2,' +
        '"offset":9007199254740000,"timestamp":1700000000000}',
    );
    expect(Buffer.from(recordKey(out, 0)!).toString()).toBe('a');
    expect(out.timestamps[0]).toBe(77);
  });

  it('prints keys that are not UTF-8 in base64, and no key as null', () => {
    const keys = parsed(encode([Buffer.of(0xff, 0), null, Buffer.of()], 1)).map(({ key }) => key);
    expect(keys).toEqual(['base64:/wA=', null, '']);
  });

  it('keys the record of a keyless point by where it stood: a compacted topic takes no null', () => {
    const out = encode([null, Buffer.from('a')], 1);
    const texts = [0, 1].map((row) => Buffer.from(recordKey(out, row)!).toString());
    expect(texts).toEqual(['2:9007199254740000', 'a']);
  });

  it('gives back any key and any finite float32', () => {
    const float32 = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }),
        float32,
        (texts, x) => {
          const keys = texts.map((text) => Buffer.from(text));
          for (const [row, assignment] of parsed(encode(keys, x)).entries()) {
            expect(assignment.key).toBe(keys[row]!.toString());
            expect(Math.fround(assignment.distance)).toBe(x === 0 ? 0 : Math.fround(x));
            expect(assignment.clusterId).toBe(model.clusterIds[row % 2]);
          }
        },
      ),
    );
  });
});
