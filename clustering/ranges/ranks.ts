// Draws of rows that lie in several places, by exponential ranks: −ln(u)/mass, the lowest win. No total is needed, the lowest
// of several ranges are the lowest of all, and u depends on seed, round, range and row alone.

import { Random } from '../../support/index.ts';

interface Ranked {
  readonly rank: number;
  readonly point: Float32Array;
}

/** @returns the rank, or Infinity where it cannot be below `worst` or the row has no mass */
export function rankOf(row: number, salt: number, mass: number, worst: number): number {
  if (!(mass > 0)) return Infinity;
  const u = uniform(row, salt);
  // exp(−x) ≥ 1 − x: most rows are turned away without a logarithm.
  if (u <= 1 - mass * worst) return Infinity;
  return -Math.log(u) / mass;
}

/** Keeps the `size` lowest, rising; of equals the one that came first. */
export function insertSorted<T extends { readonly rank: number }>(
  sorted: T[],
  item: T,
  size: number,
): void {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.rank > item.rank) high = middle;
    else low = middle + 1;
  }
  sorted.splice(low, 0, item);
  if (sorted.length > size) sorted.pop();
}

export function drawnRows(sorted: readonly Ranked[], dims: number) {
  const points = new Float32Array(sorted.length * dims);
  for (const [i, { point }] of sorted.entries()) points.set(point, i * dims);
  return { ranks: Float64Array.from(sorted, ({ rank }) => rank), points };
}

export function saltOf(seed: number, round: number, range: number): number {
  return new Random(
    Math.imul(seed, 0x9e3779b1) ^
      Math.imul(round + 1, 0x85ebca6b) ^
      Math.imul(range + 1, 0xc2b2ae35),
  ).uint32();
}

/** A number in (0, 1) that depends on row and salt alone. */
function uniform(row: number, salt: number): number {
  let z = (Math.imul(row, 0x21f0aaad) ^ salt) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (((z ^ (z >>> 15)) >>> 0) + 0.5) / 4_294_967_296;
}
