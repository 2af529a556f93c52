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
