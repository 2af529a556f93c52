import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../support/index.ts';
import { Adwin, type AdwinOptions, adwinDefaults } from './adwin.ts';

type Weighted = readonly [value: number, weight: number];

/**
 * The window as a plain list of all its values, and how many of them each bucket has, as that is where it may be cut. Every mean and
 * variance is worked out from the values anew.
 */
class PlainWindow {
  values: Weighted[] = [];
  #buckets: number[] = [];
  #seen = 0;
  readonly #options: AdwinOptions;

  constructor(options: AdwinOptions) {
    this.#options = options;
  }

  add(value: Weighted): boolean {
    this.values.push(value);
    this.#buckets.push(1);
    for (let size = 1; this.#count(size) > this.#options.bucketsPerRow; size *= 2) {
      this.#buckets.splice(this.#buckets.indexOf(size), 2, 2 * size);
    }
    this.#seen += 1;
    if (this.#seen % this.#options.checkEvery !== 0) return false;
    let dropped = false;
    for (; this.#hasCut(); dropped = true) this.values.splice(0, this.#buckets.shift());
    return dropped;
  }

  #count(size: number): number {
    return this.#buckets.filter((bucket) => bucket === size).length;
  }

  #hasCut(): boolean {
    const { delta, sideMin, widthMin } = this.#options;
    const n = this.values.length;
    if (n <= widthMin) return false;
    const level = Math.log((2 * Math.log(n)) / delta);
    const borders = this.#buckets.slice(0, -1).map((_, i) => sum(this.#buckets.slice(0, i + 1)));
    return borders.some((n0) => {
      const n1 = n - n0;
      if (n0 < sideMin || n1 < sideMin) return false;
      const m = 1 / (n0 - sideMin + 1) + 1 / (n1 - sideMin + 1);
      const bound = Math.sqrt(2 * m * varianceOf(this.values) * level) + (2 / 3) * level * m;
      return Math.abs(meanOf(this.values.slice(0, n0)) - meanOf(this.values.slice(n0))) > bound;
    });
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, value) => total + value, 0);
}

function meanOf(values: readonly Weighted[]): number {
  const weights = values.map(([, weight]) => weight);
  return sum(values.map(([value, weight]) => value * weight)) / sum(weights);
}

function varianceOf(values: readonly Weighted[]): number {
  const mean = meanOf(values);
  return meanOf(values.map(([value, weight]) => [(value - mean) ** 2, weight]));
}

function normal(seed: number, n: number, mean: (i: number) => number): number[] {
  const random = new Random(seed);
  return Array.from({ length: n }, (_, i) => random.normal() + mean(i));
}

/** The places of the values at which older ones were dropped. */
function cutsOf(values: readonly number[], adwin = new Adwin<number>()): number[] {
  return values.flatMap((value, i) => (adwin.add(value, i) ? [i] : []));
}

describe('ADWIN', () => {
  it('cuts where a plain list of all values does, at every border between two buckets', () => {
    const level = fc.record({
      mean: fc.integer({ min: -3, max: 3 }),
      length: fc.integer({ min: 1, max: 70 }),
    });
    const settings = fc.record({
      checkEvery: fc.constantFrom(1, 7, 32),
      bucketsPerRow: fc.integer({ min: 2, max: 6 }),
      sideMin: fc.integer({ min: 1, max: 6 }),
      delta: fc.constantFrom(0.002, 0.3),
    });
    const levels = fc.array(level, { minLength: 1, maxLength: 5 });
    const weightMax = fc.constantFrom(1, 400);
    fc.assert(
      fc.property(levels, settings, weightMax, fc.integer(), (stream, given, heaviest, seed) => {
        const options = { ...adwinDefaults, ...given };
        const random = new Random(seed);
        const [adwin, plain] = [new Adwin<number>(options), new PlainWindow(options)];
        let place = 0;
        for (const { mean, length } of stream) {
          for (let i = 0; i < length; i++) {
            const value = mean + 0.5 * random.normal();
            const weight = 1 + random.below(heaviest);
            const dropped = adwin.add(value, place, weight);
            place += 1;
            expect(dropped).toBe(plain.add([value, weight]));
            expect(adwin.width).toBe(plain.values.length);
            expect(adwin.from).toBe(place - plain.values.length);
          }
          expect(adwin.weight).toBe(sum(plain.values.map(([, weight]) => weight)));
          expect(Math.abs(adwin.mean - meanOf(plain.values))).toBeLessThan(1e-12);
          expect(Math.abs(adwin.variance - varianceOf(plain.values))).toBeLessThan(1e-12);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('finds a step and a fall of one deviation at these very values', () => {
    expect(cutsOf(normal(1, 2000, (i) => (i < 1000 ? 0 : 1)))[0]).toBe(1023);
    expect(cutsOf(normal(1, 2000, (i) => (i < 1000 ? 0 : -1)))[0]).toBe(1055);
  });

  it('finds falls as fast as rises, and keeps what came after the change', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rises = normal(seed, 3000, (i) => (i < 1500 ? 0 : 2));
      const [up, down] = [new Adwin<number>(), new Adwin<number>()];
      const found = cutsOf(rises, up);
      expect(
        cutsOf(
          rises.map((value) => -value),
          down,
        ),
      ).toEqual(found);
      expect(found[0]).toBeGreaterThanOrEqual(1500);
      expect(found[0]).toBeLessThanOrEqual(1535);
      expect(up.from).toBeGreaterThan(1450);
      expect(up.from).toBeLessThanOrEqual(1535);
      expect(up.mean).toBeCloseTo(2, 0);
      expect(down.from).toBe(up.from);
    }
  });

  it('drops nothing of 300,000 still values, in a window that stays small', () => {
    for (const seed of [1, 2, 3]) {
      const random = new Random(seed);
      const adwin = new Adwin<number>();
      let cuts = 0;
      for (let i = 0; i < 100_000; i++) if (adwin.add(random.normal(), i)) cuts += 1;
      expect(cuts).toBe(0);
      expect(adwin.width).toBe(100_000);
      expect(sum(adwin.state().rows.map((row) => row.length))).toBeLessThanOrEqual(5 * 15);
    }
  });

  it('keeps its digits where the mean is large', () => {
    const adwin = new Adwin<number>();
    for (const [i, value] of normal(4, 20_000, () => 1e8).entries()) adwin.add(value, i);
    expect(adwin.width).toBe(20_000);
    expect(adwin.variance).toBeCloseTo(1, 1);
  });

  it('knows nothing before the first value', () => {
    const adwin = new Adwin<number>();
    expect([adwin.width, adwin.weight, adwin.mean, adwin.variance]).toEqual([0, 0, 0, 0]);
    expect(adwin.from).toBeUndefined();
  });

  it('goes on from its state', () => {
    const values = normal(9, 1500, (i) => (i < 700 ? 0 : 1));
    const first = new Adwin<number>();
    const before = cutsOf(values.slice(0, 730), first);
    const second = new Adwin<number>({}, JSON.parse(JSON.stringify(first.state())));
    const after = cutsOf(values.slice(730), second).map((i) => i + 730);
    const whole = new Adwin<number>();
    expect([...before, ...after]).toEqual(cutsOf(values, whole));
    expect(second.width).toBe(whole.width);
  });
});
