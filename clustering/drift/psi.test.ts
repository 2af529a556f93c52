import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../support/index.ts';
import { psi, psiNoise } from './psi.ts';

function draw(n: number, shares: number[], random: Random): number[] {
  const counts = shares.map(() => 0);
  for (let i = 0; i < n; i++) {
    let u = random.float();
    let bin = 0;
    while (bin < shares.length - 1 && u >= shares[bin]!) u -= shares[bin++]!;
    counts[bin]! += 1;
  }
  return counts;
}

describe('the population stability index', () => {
  it('is what the formula says', () => {
    const expected =
      (0.5 - 0.2) * Math.log(0.5 / 0.2) +
      (0.3 - 0.3) * Math.log(0.3 / 0.3) +
      (0.2 - 0.5) * Math.log(0.2 / 0.5);
    expect(psi([50, 30, 20], [200, 300, 500])).toBeCloseTo(expected, 12);
  });

  it('is the sum over bins, worked out share by share, an empty one standing for almost nothing', () => {
    const share = (count: number, total: number) =>
      count === 0 ? Math.min(1e-4, 0.5 / total) : count / total;
    const bins = fc.tuple(fc.nat({ max: 50 }), fc.nat({ max: 50 }));
    fc.assert(
      fc.property(fc.array(bins, { minLength: 2, maxLength: 20 }), (counts) => {
        const [before, now] = [counts.map(([n]) => n + 1), counts.map(([, m]) => m)];
        const n = before.reduce((sum, count) => sum + count);
        const m = Math.max(
          1,
          now.reduce((sum, count) => sum + count),
        );
        const terms = counts.map((_, bin) => {
          const [p, q] = [share(before[bin]!, n), share(now[bin]!, m)];
          return (p - q) * (Math.log(p) - Math.log(q));
        });
        expect(psi(before, now)).toBeCloseTo(
          terms.reduce((sum, term) => sum + term),
          10,
        );
      }),
    );
  });

  it('is 0 for equal shares, of any number of points', () => {
    expect(psi([1, 2, 3], [100, 200, 300])).toBeCloseTo(0, 12);
  });

  it('stays finite with empty bins, on either side', () => {
    const index = psi([1000, 0, 0], [0, 0, 1000]);
    expect(Number.isFinite(index)).toBe(true);
    expect(index).toBeGreaterThan(1);
  });

  it.each([2, 8, 64, 500])(
    'of two samples of one distribution stays below the noise, %i bins',
    (bins) => {
      const random = new Random(bins);
      const shares = Array.from({ length: bins }, () => 1 / bins);
      for (let trial = 0; trial < 100; trial++) {
        const [a, b] = [draw(5000, shares, random), draw(5000, shares, random)];
        expect(psi(a, b)).toBeLessThan(psiNoise(bins, 5000, 5000));
      }
    },
  );
});
