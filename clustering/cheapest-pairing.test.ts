import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { cheapestPairing } from './cheapest-pairing.ts';

const costOf = (costs: Float64Array, n: number, columns: Iterable<number>): number =>
  [...columns].reduce((sum, column, row) => sum + costs[row * n + column]!, 0);

/** Of all permutations. */
function leastCost(costs: Float64Array, n: number, taken: readonly number[] = []): number {
  if (taken.length === n) return costOf(costs, n, taken);
  let least = Infinity;
  for (let column = 0; column < n; column++) {
    if (!taken.includes(column)) least = Math.min(least, leastCost(costs, n, [...taken, column]));
  }
  return least;
}

describe('the cheapest pairing', () => {
  it('costs what the cheapest of all permutations does', () => {
    // Few different costs: many pairings are equally good, and rows compete for columns.
    const square = fc
      .integer({ min: 1, max: 6 })
      .chain((n) =>
        fc.tuple(
          fc.constant(n),
          fc.array(fc.integer({ min: -3, max: 9 }), { minLength: n * n, maxLength: n * n }),
        ),
      );
    fc.assert(
      fc.property(square, ([n, entries]) => {
        const costs = Float64Array.from(entries);
        const columns = cheapestPairing(costs, n);
        expect([...columns].sort()).toEqual(Array.from({ length: n }, (_, i) => i));
        expect(costOf(costs, n, columns)).toBe(leastCost(costs, n));
      }),
      { numRuns: 500 },
    );
  });

  it('finds a permutation that is hidden among 1,000 rows', () => {
    const n = 1_000;
    const random = new Random(1);
    const hidden = Array.from({ length: n }, (_, row) => (row * 7 + 3) % n);
    const costs = new Float64Array(n * n);
    for (let cell = 0; cell < n * n; cell++) {
      costs[cell] = 0.5 + random.float() + (hidden[Math.floor(cell / n)] === cell % n ? -0.5 : 0.5);
    }
    expect([...cheapestPairing(costs, n)]).toEqual(hidden);
  });

  it('pairs nothing where there is nothing', () => {
    expect(cheapestPairing(new Float64Array(0), 0)).toHaveLength(0);
  });
});
