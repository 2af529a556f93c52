import { expect, it } from 'vitest';
import { decodeFetch } from './fetch-request.ts';
import { WireWriter } from './wire-buffer.ts';

/** An answer with one partition of `points` and one of `models`. */
function answerOf(points: Buffer, models: Buffer): Buffer {
  const topics = [
    ['points', points],
    ['models', models],
  ] as const;
  const pieces: Buffer[] = [new WireWriter().int32(0).int16(0).int32(0).int32(2).finish()];
  for (const [topic, records] of topics) {
    const fields = new WireWriter().string(topic).int32(1).int32(0).int16(0);
    fields.int64(9).int64(9).int64(0).int32(0).int32(-1).int32(records.length);
    pieces.push(fields.finish(), records);
  }
  return Buffer.concat(pieces);
}

it('lets an answer go without a small partition that is kept for long', () => {
  const answer = answerOf(Buffer.alloc(800_000, 1), Buffer.alloc(20_000, 2));
  let released = 0;
  const [points, models] = decodeFetch(answer, () => {
    released += 1;
  });
  expect(released).toBe(0);
  points!.release();
  points!.release();
  expect(released).toBe(1);
  answer.fill(0);
  expect(models!.records.equals(Buffer.alloc(20_000, 2))).toBe(true);
});

it('holds an answer until all who have much of it let go', () => {
  let released = 0;
  const answer = answerOf(Buffer.alloc(800_000, 1), Buffer.alloc(500_000, 2));
  const [points, models] = decodeFetch(answer, () => {
    released += 1;
  });
  points!.release();
  expect(released).toBe(0);
  expect(models!.records.equals(Buffer.alloc(500_000, 2))).toBe(true);
  models!.release();
  expect(released).toBe(1);
});
