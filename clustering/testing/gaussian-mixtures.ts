// Mixtures with a known number of clusters: unit-variance Gaussians whose two nearest centres are exactly `separation` apart,
// with shares between 1 and 3. And the hundred of them that the choice of K is judged by.

import { Random } from '../../support/index.ts';
import type { Points } from './streams.ts';

export interface MixtureOptions {
  readonly k: number;
  readonly dims: number;
  /** Distance of the two nearest centres, in deviations. */
  readonly separation: number;
  readonly n: number;
  readonly seed: number;
}

export function gaussianMixture({ k, dims, separation, n, seed }: MixtureOptions): Points {
  const random = new Random(seed);
  const centres = centresApart(k, dims, separation, random);
  const shares = Array.from({ length: k }, () => 1 + 2 * random.float());
  const total = shares.reduce((sum, share) => sum + share, 0);
  const values = new Float32Array(n * dims);
  for (let row = 0; row < n; row++) {
    const centre = centres[drawShare(shares, random.float() * total)]!;
    for (let d = 0; d < dims; d++) values[row * dims + d] = centre[d]! + random.normal();
  }
  return { n, dims, values };
}

function drawShare(shares: readonly number[], target: number): number {
  let sum = 0;
  for (const [i, share] of shares.entries()) {
    sum += share;
    if (sum > target) return i;
  }
  return shares.length - 1;
}

/** Evenly in a box that grows until all have room, then shrunk until the nearest two are `separation` apart. */
function centresApart(k: number, dims: number, separation: number, random: Random): number[][] {
  let centres: number[][] = [];
  for (let side = separation; centres.length < k; side *= 1.1) {
    centres = [];
    for (let trial = 0; trial < 200 * k && centres.length < k; trial++) {
      const centre = Array.from({ length: dims }, () => random.float() * side);
      if (centres.every((other) => distance(centre, other) >= separation)) centres.push(centre);
    }
  }
  const nearest = Math.min(
    ...centres.flatMap((one, i) => centres.slice(0, i).map((other) => distance(one, other))),
  );
  const factor = k > 1 ? separation / nearest : 1;
  return centres.map((centre) => centre.map((value) => value * factor));
}

function distance(a: readonly number[], b: readonly number[]): number {
  return Math.hypot(...a.map((value, d) => value - b[d]!));
}

const dimsOfMixtures = [2, 3, 4, 6, 8, 12, 16, 24, 32, 64];
const separations = [5, 6, 8];

/** Number 0 … 99: K of 2 … 20, 2 … 64 dimensions, 5, 6 or 8 deviations apart, 800 points. */
export function numberedMixture(number: number): MixtureOptions & Points {
  const options = {
    k: 2 + new Random(7000 + number).below(19),
    dims: dimsOfMixtures[number % dimsOfMixtures.length]!,
    separation: separations[number % separations.length]!,
    n: 800,
    seed: 1000 + number,
  };
  return { ...options, ...gaussianMixture(options) };
}
