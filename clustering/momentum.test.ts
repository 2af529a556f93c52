import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { type FullBatchOptions, fitFullBatch, type IterationReport } from './full-batch.ts';
import { chooseKernels } from './kernels/choose-kernels.ts';
import { Momentum } from './momentum.ts';
import { normalisePoints } from './spherical.ts';

const { kernels } = chooseKernels();
const uniform = uniformPoints(20_000, 8);
const options: FullBatchOptions = {
  ...{ ...uniform, k: 12, seed: 1, kernels, nInit: 0, threads: 1 },
  initial: Float64Array.from(uniform.values.subarray(0, 12 * 8)),
};

describe('a full-batch fit with momentum', () => {
  it('is where Lloyd alone gets to in at most half of its iterations, where clusters are not apart', () => {
    const alone = reported({ ...options, momentum: false, iterationsMax: 80 });
    const carried = reported(options);
    const reached = carried.reports.find(({ inertia }) => inertia <= alone.fit.inertia)!;
    expect(alone.fit.iterations).toBe(80);
    expect(reached.iteration).toBeLessThanOrEqual(40);
  });

  it('ends where the next step of Lloyd alone is within tolerance', () => {
    const { fit, reports } = reported(options);
    expect(fit.iterations).toBeLessThan(300);
    const next = reported({ ...options, initial: fit.centroids, momentum: false });
    expect(next.reports[0]!.shift).toBeLessThanOrEqual(reports.at(-1)!.shift);
    expect(next.fit.iterations).toBe(1);
  });

  it('ends without tolerance where no step of Lloyd alone moves a centroid', () => {
    const fit = fitFullBatch({ ...options, n: 2000, iterationsMax: 2000, tolerance: 0 });
    const { centroids, labels } = fit;
    const next = fitFullBatch({ ...options, n: 2000, initial: centroids, momentum: false });
    expect(next.labels).toEqual(labels);
    for (const [i, value] of next.centroids.entries()) expect(value).toBeCloseTo(centroids[i]!, 12);
  });

  it('takes back a step that raised the inertia at once', () => {
    // Few points and a wide step: whole points change sides, and momentum goes too far now and then.
    let taken = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const few = uniformPoints(300, 2, seed);
      const initial = Float64Array.from(few.values.subarray(0, 20));
      const { reports } = reported({ ...options, ...few, k: 10, initial, tolerance: 0 });
      let least = Infinity;
      for (const [i, { inertia }] of reports.entries()) {
        if (inertia <= least * (1 + 1e-12)) least = Math.min(least, inertia);
        else {
          taken += 1;
          expect(reports[i + 1]!.inertia).toBeLessThanOrEqual(least * (1 + 1e-12));
        }
      }
    }
    expect(taken).toBeGreaterThan(0);
  });

  it('leaves unit vectors unit vectors', () => {
    const { n, dims, values } = uniform;
    const unit = new Float32Array(values.length);
    normalisePoints(values, n, dims, unit);
    const initial = Float64Array.from(unit.subarray(0, 12 * 8));
    const each = { ...options, values: unit, initial, metric: 'cosine' } as const;
    const { centroids, iterations } = fitFullBatch(each);
    expect(iterations).toBeGreaterThan(10);
    for (let j = 0; j < 12; j++) {
      const square = centroids.subarray(j * 8, (j + 1) * 8).reduce((sum, x) => sum + x * x, 0);
      expect(square).toBeCloseTo(1, 12);
    }
  });
});

describe('momentum', () => {
  it('never keeps a step above the last one that it kept', () => {
    const steps = fc.array(fc.tuple(fc.double({ min: 0, max: 10, noNaN: true }), fc.nat(3)), {
      minLength: 1,
    });
    fc.assert(
      fc.property(steps, (each) => {
        const momentum = new Momentum();
        let kept = { inertia: Infinity, means: [0] };
        for (const [place, [fall, chance]] of each.entries()) {
          const rises = momentum.isAhead && chance === 0;
          const inertia = rises ? kept.inertia + 1 : Math.min(kept.inertia, 1e6) - fall;
          const means = Float64Array.of(place * place);
          momentum.carry(means, { inertia, shift: 1 }, true);
          if (rises) {
            expect([...means]).toEqual(kept.means);
            expect(momentum.isAhead).toBe(false);
          } else kept = { inertia, means: [place * place] };
        }
      }),
    );
  });

  it('does nothing where a step may not be carried, or the shift halves each time', () => {
    const still = new Momentum();
    const fast = new Momentum();
    for (let i = 1; i <= 20; i++) {
      const [a, b] = [Float64Array.of(i), Float64Array.of(i)];
      still.carry(a, { inertia: -i, shift: 1 }, false);
      fast.carry(b, { inertia: -i, shift: 2.5 ** -i }, true);
      expect([a[0], b[0]]).toEqual([i, i]);
    }
  });
});

function reported(each: FullBatchOptions) {
  const reports: IterationReport[] = [];
  const fit = fitFullBatch({ ...each, onIteration: (report) => reports.push(report) });
  return { fit, reports };
}

function uniformPoints(n: number, dims: number, seed = 1) {
  const random = new Random(seed);
  const values = Float32Array.from({ length: n * dims }, () => 2 * random.float() - 1);
  return { n, dims, values };
}
