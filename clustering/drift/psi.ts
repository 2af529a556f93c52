// Population stability index: Σ (p − q)·ln(p/q) over bins, p the reference's shares and q the current ones. The bins come
// from the reference alone. An empty bin counts as a share of 1e-4, or half a point when that is less.
//
// Two samples of one distribution still differ: their index is about χ²(bins − 1)·(1/n + 1/m) (B. Yurdakul, 2018).
// `psiNoise` is the upper end of that, to be added to a threshold, so that many clusters raise no alarm by themselves.

type Counts = ArrayLike<number>;

const emptyShare = 1e-4;

export function psi(reference: Counts, current: Counts): number {
  const n = total(reference);
  const m = total(current);
  let index = 0;
  for (let bin = 0; bin < reference.length; bin++) {
    const p = shareOf(reference[bin]!, n);
    const q = shareOf(current[bin]!, m);
    index += (p - q) * Math.log(p / q);
  }
  return index;
}

/** What the index of two samples of one distribution exceeds 3 times in 100,000 (E. B. Wilson and M. M. Hilferty, 1931). */
export function psiNoise(bins: number, n: number, m: number): number {
  const freedom = Math.max(1, bins - 1);
  const spread = 2 / (9 * freedom);
  return freedom * (1 - spread + 4 * Math.sqrt(spread)) ** 3 * (1 / n + 1 / m);
}

function total(counts: Counts): number {
  let sum = 0;
  for (let bin = 0; bin < counts.length; bin++) sum += counts[bin]!;
  return sum;
}

function shareOf(count: number, total: number): number {
  return count > 0 ? count / total : Math.min(emptyShare, 0.5 / Math.max(1, total));
}
