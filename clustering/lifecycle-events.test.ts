import { describe, expect, it } from 'vitest';
import { Assigner } from './assigner.ts';
import { bootstrapModel } from './bootstrap.ts';
import { referenceKernels as kernels } from './kernels/reference.ts';
import type { LifecycleEvent } from './lifecycle.ts';
import { DeltaAccumulator } from './mini-batch.ts';
import { OnlineModel } from './online-model.ts';
import { distance, KernelStream } from './testing/kernels-with-events.ts';
import { inPoints } from './testing/streams.ts';

// Five kernels that wander, a tenth of the points noise, an event every 30,000 points: the generator knows what happened.

const k = 5;
const dims = 2;
const eventEvery = 30_000;
const total = 150_000;
const batch = 200;
const halfLife = 2000;

interface Run {
  readonly acts: readonly (LifecycleEvent & { readonly at: number })[];
  /** By event: how far the kernel that is worst off is from a centroid, before the next. */
  readonly worst: readonly number[];
  readonly happened: number;
}

function run(seed: number): Run {
  const stream = new KernelStream({ kernels: k, dims, seed, eventEvery });
  const draw = (n: number) =>
    Float32Array.from(Array.from({ length: n }, () => stream.next()).flat());
  const n = 2000;
  const start = bootstrapModel({ values: draw(n), n, dims, k, seed, scaling: true, kernels });
  const model = OnlineModel.begin(start, { halfLife: inPoints(halfLife) });
  const acts: Run['acts'][number][] = [];
  const worst: number[] = [];
  for (let at = n; at < total; at += batch) {
    const values = draw(batch);
    const assigner = new Assigner({ ...start, ...model.snapshot() }, kernels);
    assigner.assign(values, batch);
    const delta = new DeltaAccumulator(start);
    const offsets = Float64Array.from({ length: batch }, (_, i) => at + i);
    const { labels, distances } = assigner;
    delta.add(values, new Float32Array(batch).fill(1), labels, distances, offsets, batch);
    const events = model.fold(delta.take()).filter(({ type }) => type !== 'moved');
    acts.push(...events.map((event) => ({ ...event, at })));
    if ((at + batch) % eventEvery === 0) worst.push(farthest(stream, model));
  }
  return { acts, worst, happened: stream.events.length };
}

function farthest(stream: KernelStream, model: OnlineModel): number {
  const { centroids } = model.snapshot();
  const places = Array.from({ length: k }, (_, j) => [
    ...centroids.subarray(j * dims, (j + 1) * dims),
  ]);
  const distances = stream.centres.map((centre) => places.map((place) => distance(centre, place)));
  return Math.max(...distances.map((row) => Math.min(...row)));
}

describe('on kernels that come, go, merge and split', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'acts when something has happened, and then finds it (seed %i)',
    (seed) => {
      const { acts, worst, happened } = run(seed);
      expect(happened).toBe(4);
      // Nothing happens before the first event, and no event is answered twice.
      for (const { at } of acts) expect(at).toBeGreaterThanOrEqual(eventEvery);
      expect(acts.length / 2).toBeLessThanOrEqual(happened);
      for (const [i, { type, slot, at }] of acts.entries()) {
        expect(['died', 'merged'].includes(type)).toBe(i % 2 === 0);
        if (i % 2 === 1) expect(acts[i - 1]).toMatchObject({ slot, at });
      }
      for (const far of worst) expect(far).toBeLessThan(0.15);
    },
  );
});
