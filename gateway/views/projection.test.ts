import { expect, test } from 'vitest';
import { Random } from '../../support/index.ts';
import { Projection } from './projection.ts';

/** Gaussian points with these standard deviations, turned by nothing. */
function cloud(random: Random, n: number, deviations: readonly number[]): Float32Array {
  const values = new Float32Array(n * deviations.length);
  for (let i = 0; i < values.length; i += 1) {
    values[i] = random.normal() * deviations[i % deviations.length]!;
  }
  return values;
}

function placed(projection: Projection, values: Float32Array, n: number): Float32Array {
  const out = new Float32Array(2 * n);
  projection.project(values, n, out);
  return out;
}

test('the plane is the one of largest variance', () => {
  const values = cloud(new Random(1), 2_000, [0.1, 5, 0.2, 3, 0.1]);
  const projection = new Projection(5);
  projection.fit(values, 2_000);
  expect(projection.explained).toBeGreaterThan(0.98);
  // The leading feature alone decides the first axis: the second moves nothing on it.
  const [x] = placed(projection, Float32Array.of(0, 1, 0, 0, 0), 1);
  const [x0] = placed(projection, Float32Array.of(0, 0, 0, 0, 0), 1);
  expect(Math.abs(x! - x0!)).toBeGreaterThan(0.05);
});

test('every point lies within −1…1 and order is kept beyond the axes', () => {
  const random = new Random(2);
  const values = cloud(random, 1_000, [1, 1]);
  const projection = new Projection(2);
  projection.fit(values, 1_000);
  projection.step(1);
  const [near, , far, , farther] = placed(projection, Float32Array.of(1, 0, 50, 0, 5_000, 0), 3);
  expect(near!).toBeLessThan(far!);
  expect(far!).toBeLessThan(farther!);
  expect(farther!).toBeLessThanOrEqual(1);
});

test('a few extreme points do not choose the view', () => {
  const values = cloud(new Random(3), 1_000, [4, 3, 0.5]);
  for (let row = 0; row < 1_000; row += 200) values[row * 3 + 2] = 10_000;
  const projection = new Projection(3);
  projection.fit(values, 1_000);
  projection.step(1);
  const plane = placed(projection, values, 1_000);
  const spread = plane.filter((x, i) => i % 2 === 0 && Math.abs(x) > 0.1).length;
  expect(spread).toBeGreaterThan(700);
});

test('another sample of the same stream leaves the basis alone', () => {
  const random = new Random(4);
  const projection = new Projection(6);
  const probe = cloud(new Random(9), 50, [5, 4.8, 1, 1, 1, 1]);
  projection.fit(cloud(random, 1_000, [5, 4.8, 1, 1, 1, 1]), 1_000);
  projection.step(1);
  const before = placed(projection, probe, 50);
  for (let i = 0; i < 10; i += 1) {
    projection.fit(cloud(random, 1_000, [5, 4.8, 1, 1, 1, 1]), 1_000);
    projection.step(1);
  }
  const after = placed(projection, probe, 50);
  expect(projection.version).toBe(1);
  for (let i = 0; i < 100; i += 1) expect(Math.abs(after[i]! - before[i]!)).toBeLessThan(0.15);
});

test('when the variance moves to other features the picture follows, step by step', () => {
  const random = new Random(5);
  const projection = new Projection(4);
  projection.fit(cloud(random, 1_000, [5, 3, 0.1, 0.1]), 1_000);
  projection.step(1);
  const moved = cloud(random, 1_000, [5, 0.1, 3, 0.1]);
  projection.fit(moved, 1_000);
  expect(projection.version).toBe(2);
  const probe = Float32Array.of(1, 0, 0, 0);
  const [before] = placed(projection, probe, 1);
  for (let i = 0; i < 40; i += 1) projection.step(0.3);
  const [after] = placed(projection, probe, 1);
  // The feature both planes share has kept its side.
  expect(Math.sign(after!)).toBe(Math.sign(before!));
  expect(projection.explained).toBeGreaterThan(0.98);
});

test.each([1, 2, 3])('%i dimensions give finite places', (dims) => {
  const values = cloud(
    new Random(6),
    100,
    Array.from({ length: dims }, () => 1),
  );
  const projection = new Projection(dims);
  projection.fit(values, 100);
  projection.step(0.5);
  expect(placed(projection, values, 100).every(Number.isFinite)).toBe(true);
});

test('points that are all equal give finite places', () => {
  const projection = new Projection(3);
  projection.fit(new Float32Array(30).fill(7), 10);
  projection.step(1);
  expect(placed(projection, new Float32Array(3).fill(7), 1).every(Number.isFinite)).toBe(true);
});
