import { expect, test } from 'vitest';
import { BatchSize } from './batch-size.ts';

const takenIn = (rows: number, ends: Record<string, number>) => ({ rows, ends });

test('batches are halved, and grow again once all that was too large together is committed', () => {
  const size = new BatchSize(8);
  size.shrink(takenIn(20, { 'a-0': 20, 'b-0': 5 }));
  expect(size.rowsMax).toBe(4);
  size.shrink(takenIn(4, { 'a-0': 4 }));
  expect(size.rowsMax).toBe(2);
  size.committed({ 'a-0': 2, 'b-0': 100 });
  expect([size.rowsMax, size.isShrunk]).toEqual([2, true]);
  size.committed({ 'a-0': 4, 'b-0': 0 });
  expect(size.rowsMax).toBe(4);
  size.committed({ 'a-0': 6, 'b-0': 0 });
  size.committed({ 'a-0': 8, 'b-0': 0 });
  expect([size.rowsMax, size.isShrunk]).toEqual([8, false]);
});

test('batches have as many rows as are dealt with in 50 ms', () => {
  const size = new BatchSize(4_096);
  size.took(4_096, 45);
  expect(size.rowsMax).toBe(4_096);
  size.took(4_096, 400);
  expect(size.rowsMax).toBe(512);
  size.took(100, 1);
  expect(size.rowsMax).toBe(512);
  size.took(512, 24);
  expect(size.rowsMax).toBe(1_024);
  size.took(3, 500);
  expect([size.rowsMax, size.isShrunk]).toEqual([1, false]);
  for (let rows = 1; rows < 4_096; rows *= 2) size.took(rows, 1);
  size.took(4_096, 1);
  expect(size.rowsMax).toBe(4_096);
});
