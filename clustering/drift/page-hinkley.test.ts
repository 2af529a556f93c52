import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../support/index.ts';
import { PageHinkley } from './page-hinkley.ts';

/** The definition with everything recomputed from the values since the last alarm. */
function naive(values: readonly number[], delta: number, lambda: number, minimum: number) {
  const alarms: number[] = [];
  let begin = 0;
  for (let end = 1; end <= values.length; end++) {
    const seen = values.slice(begin, end);
    let [rise, fall] = [0, 0];
    for (let i = 0; i < seen.length; i++) {
      const mean = seen.slice(0, i + 1).reduce((sum, value) => sum + value, 0) / (i + 1);
      rise = Math.max(0, rise + (seen[i]! - mean) - delta);
      fall = Math.max(0, fall - (seen[i]! - mean) - delta);
    }
    if (seen.length < minimum || Math.max(rise, fall) <= lambda) continue;
    alarms.push(end - 1);
    begin = end;
  }
  return alarms;
}

function alarmsOf(values: readonly number[], detector = new PageHinkley()): number[] {
  return values.flatMap((value, i) => (detector.add(value) ? [i] : []));
}

function normal(seed: number, n: number, mean: (i: number) => number): number[] {
  const random = new Random(seed);
  return Array.from({ length: n }, (_, i) => random.normal() + mean(i));
}

describe('Page-Hinkley', () => {
  it('alarms where the naive form does', () => {
    const values = fc.array(fc.integer({ min: -4, max: 4 }), { maxLength: 80 });
    fc.assert(
      fc.property(values, (stream) => {
        // No sum of these fractions comes so near to λ that rounding decides.
        const lambda = 5.100_003_141;
        const detector = new PageHinkley({ delta: 0.25, lambda, minimum: 5 });
        expect(alarmsOf(stream, detector)).toEqual(naive(stream, 0.25, lambda, 5));
      }),
    );
  });

  it('finds a rise and a fall of one deviation at these very values', () => {
    expect(alarmsOf(normal(1, 2000, (i) => (i < 1000 ? 0 : 1)))).toEqual([1023]);
    expect(alarmsOf(normal(1, 2000, (i) => (i < 1000 ? 0 : -1)))).toEqual([1045]);
  });

  it('finds falls as fast as rises', () => {
    const rises = normal(7, 2000, (i) => (i < 1000 ? 0 : 1));
    expect(alarmsOf(rises.map((value) => -value))).toEqual(alarmsOf(rises));
  });

  it('gives one alarm for one change, and another for the way back', () => {
    const alarms = alarmsOf(normal(3, 6000, (i) => (i >= 2000 && i < 4000 ? 2 : 0)));
    expect(alarms.length).toBe(2);
    expect(alarms[0]).toBeLessThan(2040);
    expect(alarms[1]).toBeLessThan(4040);
  });

  it('gives at most one false alarm a million still values, over ten million', () => {
    let alarms = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const random = new Random(seed);
      const detector = new PageHinkley();
      for (let i = 0; i < 1_000_000; i++) if (detector.add(random.normal())) alarms += 1;
    }
    expect(alarms).toBeLessThanOrEqual(10);
  });

  it('goes on from its state', () => {
    const values = normal(9, 500, (i) => (i < 250 ? 0 : 1));
    const first = new PageHinkley();
    const before = alarmsOf(values.slice(0, 270), first);
    const second = new PageHinkley({}, JSON.parse(JSON.stringify(first.state())));
    const after = alarmsOf(values.slice(270), second).map((i) => i + 270);
    expect([...before, ...after]).toEqual(alarmsOf(values));
  });
});
