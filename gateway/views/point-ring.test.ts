import { expect, test } from 'vitest';
import { PointRing } from './point-ring.ts';

function idsOf(ring: PointRing): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, { clusterId }] of ring.entries()) counts[clusterId] = (counts[clusterId] ?? 0) + 1;
  return counts;
}

test('a full ring makes room at the cost of the largest cluster', () => {
  const ring = new PointRing(10, 1);
  for (let i = 0; i < 3; i += 1) ring.add(Float32Array.of(i), 0, 'small', 0);
  for (let i = 0; i < 100; i += 1) ring.add(Float32Array.of(100 + i), 0, 'large', 0);
  expect(idsOf(ring)).toEqual({ small: 3, large: 7 });
  expect(ring.size).toBe(10);
});

test('the values kept are those of the points kept', () => {
  const ring = new PointRing(4, 2);
  for (let i = 0; i < 9; i += 1) ring.add(Float32Array.of(0, 0, i, -i), 2, 'a', 0);
  const kept = [...ring.entries()].map(([slot]) => [
    ...ring.values.subarray(slot * 2, slot * 2 + 2),
  ]);
  expect(kept.sort((a, b) => a[0]! - b[0]!)).toEqual([5, 6, 7, 8].map((i) => [i, -i]));
});

test('a cluster that gets no points is forgotten in the end', () => {
  const ring = new PointRing(10, 1);
  ring.add(Float32Array.of(0), 0, 'dead', 0);
  for (let i = 0; i < 250; i += 1) ring.add(Float32Array.of(i), 0, 'alive', 0);
  ring.expire();
  expect(idsOf(ring)).toEqual({ alive: 9 });
});

test('points of a cluster that is gone are found, a bounded number at a time, and adopted', () => {
  const ring = new PointRing(10, 1);
  for (let i = 0; i < 6; i += 1) ring.add(Float32Array.of(i), 0, i < 4 ? 'dead' : 'alive', 0);
  const living = new Set(['alive']);
  expect(ring.orphans(living, 3)).toHaveLength(3);
  for (const slot of ring.orphans(living, 100)) ring.adopt(slot, 'alive');
  expect(idsOf(ring)).toEqual({ alive: 6 });
  expect(ring.orphans(living, 100)).toEqual([]);
  for (let i = 0; i < 20; i += 1) ring.add(Float32Array.of(i), 0, 'alive', 0);
  expect(ring.size).toBe(10);
});
