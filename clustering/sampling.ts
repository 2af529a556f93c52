// Systematic sampling with unequal chances: about `size` of the items, each with chance p = min(1, worth/τ), τ such that the
// chances add up to `size`. An item that stays stands for 1/p items like it, so sums over the sample estimate sums over all
// without bias; one of great worth always stays. One draw for the whole sample.

import type { Random } from '../support/index.ts';

/** The chance with which each item was kept; 0 for those that were not, and for those of no worth. */
export function systematicSample(
  worths: readonly number[] | Float64Array,
  size: number,
  random: Random,
): Float64Array {
  const threshold = samplingThreshold(worths, size);
  const kept = new Float64Array(worths.length);
  let next = random.float();
  let sum = 0;
  for (let i = 0; i < worths.length; i++) {
    const chance = Math.min(1, worths[i]! / threshold);
    if (!(chance > 0)) continue;
    sum += chance;
    if (sum <= next) continue;
    next += 1;
    kept[i] = chance;
  }
  return kept;
}

/** τ with Σ min(1, worth/τ) = size: the largest worths are taken out as long as they exceed it. */
function samplingThreshold(worths: readonly number[] | Float64Array, size: number): number {
  const falling = Float64Array.from(worths.filter((worth) => worth > 0))
    .sort()
    .reverse();
  if (falling.length <= size) return Number.MIN_VALUE;
  let rest = falling.reduce((sum, worth) => sum + worth, 0);
  for (let certain = 0; certain < size; certain++) {
    const threshold = rest / (size - certain);
    if (falling[certain]! <= threshold) return threshold;
    rest -= falling[certain]!;
  }
  return falling[size]!;
}
