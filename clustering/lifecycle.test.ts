import { describe, expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { Assigner } from './assigner.ts';
import type { OnlineStart } from './cluster-state.ts';
import { distanceBins } from './distance-histogram.ts';
import { referenceKernels } from './kernels/reference.ts';
import type { LifecycleEvent } from './lifecycle.ts';
import { DeltaAccumulator } from './mini-batch.ts';
import { OnlineModel } from './online-model.ts';
import { inPoints } from './testing/streams.ts';

const dims = 2;

function startAt(centroids: number[][]): OnlineStart {
  const k = centroids.length;
  return {
    k,
    dims,
    mean: new Float64Array(dims),
    scale: new Float64Array(dims).fill(1),
    reference: Float64Array.from(centroids.flat()),
    centroids: Float64Array.from(centroids.flat()),
    weights: new Float64Array(k),
    sumSquares: new Float64Array(k),
    distanceHistogram: new Float64Array(k * distanceBins),
  };
}

/** Feeds batches of 100 points drawn by `draw`, each delta folded `lag` deltas late. */
class Feed {
  readonly events: (LifecycleEvent & { points: number })[] = [];
  model: OnlineModel;
  readonly #start: OnlineStart;
  readonly #random = new Random(11);
  readonly #waiting: { delta: ReturnType<DeltaAccumulator['take']>; patch: number }[] = [];
  readonly #lag: number;
  readonly #restarts: boolean;
  #offset = 0;

  constructor(start: OnlineStart, halfLife: number, lag = 0, restarts = false) {
    this.#start = start;
    this.#lag = lag;
    this.#restarts = restarts;
    this.model = OnlineModel.begin(start, { halfLife: inPoints(halfLife) });
  }

  points(n: number, draw: (random: Random) => number[]): this {
    for (let done = 0; done < n; done += 100) this.#batch(draw);
    return this;
  }

  #batch(draw: (random: Random) => number[]): void {
    const points = new Float32Array(100 * dims);
    for (let i = 0; i < 100; i++) points.set(draw(this.#random), i * dims);
    const assigner = new Assigner({ ...this.#start, ...this.model.snapshot() }, referenceKernels);
    assigner.assign(points, 100);
    const delta = new DeltaAccumulator(this.#start);
    const offsets = Float64Array.from({ length: 100 }, (_, i) => this.#offset + i);
    const weights = new Float32Array(100).fill(1);
    delta.add(points, weights, assigner.labels, assigner.distances, offsets, 100);
    this.#offset += 100;
    this.#waiting.push({ delta: delta.take(), patch: this.model.patch });
    if (this.#waiting.length <= this.#lag) return;
    const next = this.#waiting.shift()!;
    const events = this.model.fold(next.delta, next.patch);
    this.events.push(...events.map((event) => ({ ...event, points: this.model.points })));
    if (this.#restarts) this.model = OnlineModel.restore(this.model.records());
  }

  count(type: LifecycleEvent['type']): number {
    return this.events.filter((event) => event.type === type).length;
  }

  /** Clusters that were not there before. */
  get newcomers() {
    return this.events.filter(({ type }) => type === 'born' || type === 'split');
  }

  get departed() {
    return this.events.filter(({ type }) => type === 'died' || type === 'merged');
  }
}

function around(...centres: number[][]) {
  return (random: Random) => {
    const centre = centres[random.below(centres.length)]!;
    return centre.map((value) => value + random.normal());
  };
}

function nearestTo(model: OnlineModel, point: number[]): number {
  const { centroids } = model.snapshot();
  let least = Infinity;
  for (let j = 0; j * dims < centroids.length; j++) {
    const [x, y] = centroids.subarray(j * dims);
    least = Math.min(least, Math.hypot(x! - point[0]!, y! - point[1]!));
  }
  return least;
}

const groups = [
  [0, 0],
  [20, 0],
  [0, 20],
  [20, 20],
];

describe('the lifecycle', () => {
  it.each([0, 7])('brings centroids far from all data back to it, %i deltas late', (lag) => {
    const far = startAt([
      [0, 0],
      [1e4, 1e4],
      [-1e4, 1e4],
      [1e4, -1e4],
    ]);
    const feed = new Feed(far, 4000, lag).points(24_000, around(...groups));
    for (const group of groups) expect(nearestTo(feed.model, group)).toBeLessThan(1);
    expect(feed.newcomers.length).toBeLessThanOrEqual(8);
  });

  it('finds the same whatever a look remembers of the last one', () => {
    const moved = groups.map(([x, y], i) => (i === 0 ? [-60, -60] : [x! + 4, y! + 4]));
    const [steady, restarted] = [false, true].map((restarts) =>
      new Feed(startAt(groups), 2000, 0, restarts)
        .points(10_000, around(...groups))
        .points(20_000, around(...moved))
        .points(20_000, around(...groups)),
    ) as [Feed, Feed];
    expect(steady.newcomers.length).toBeGreaterThan(1);
    expect(restarted.events).toEqual(steady.events);
    expect(restarted.model.records()).toEqual(steady.model.records());
  });

  it('leaves a clustering that fits alone', () => {
    const feed = new Feed(startAt(groups), 4000).points(100_000, around(...groups));
    expect(feed.departed).toEqual([]);
    expect(feed.newcomers).toEqual([]);
  });

  it('gives a dead cluster to a new one within a few half-lives, and settles', () => {
    const feed = new Feed(startAt(groups), 4000).points(30_000, around(...groups));
    const moved = [...groups.slice(0, 3), [-60, -60]];
    feed.points(40_000, around(...moved));
    expect(feed.departed).toHaveLength(feed.newcomers.length);
    expect(feed.departed.length).toBeGreaterThanOrEqual(1);
    expect(feed.newcomers.length).toBeLessThanOrEqual(4);
    const born = feed.newcomers[0]!;
    expect(born).toMatchObject({ type: 'split', other: 0 });
    expect(born.within).toBeLessThan(0.2);
    expect(born.points - 30_000).toBeLessThan(4 * 4000);
    const settled = feed.events.length;
    feed.points(40_000, around(...moved));
    expect(feed.events.slice(settled).filter(({ type }) => type !== 'moved')).toEqual([]);
  });

  it('conserves the weight of the points', () => {
    const halfLife = 4000;
    const feed = new Feed(startAt(groups), halfLife).points(10_000, around([0, 0], [90, 0]));
    feed.points(20_000, around([0, 0], [-90, 50], [40, -80], [7, 7], [500, 1]));
    expect(feed.newcomers.length).toBeGreaterThan(0);
    const decay = 2 ** (-100 / halfLife);
    const expected = (100 * (1 - decay ** 300)) / (1 - decay);
    const { weights, distanceHistogram } = feed.model.snapshot();
    expect(weights.reduce((sum, weight) => sum + weight, 0) / expected).toBeCloseTo(1, 9);
    const counted = distanceHistogram.reduce((sum, weight) => sum + weight, 0);
    expect(Math.abs(counted / expected - 1)).toBeLessThan(0.01);
  });

  it('puts a newborn where it differs from every other centroid, in float32 too', () => {
    const twins = startAt([
      [0, 0],
      [0, 0],
      [1e-20, 0],
    ]);
    const feed = new Feed(twins, 3000).points(9000, around([0, 0], [10, 0], [0, 10]));
    const { centroids } = feed.model.snapshot();
    const places = new Set(
      [0, 1, 2].map((j) => String(Float32Array.from(centroids.subarray(j * 2, j * 2 + 2)))),
    );
    expect(places.size).toBe(3);
    for (const group of [
      [0, 0],
      [10, 0],
      [0, 10],
    ]) {
      expect(nearestTo(feed.model, group)).toBeLessThan(1);
    }
  });

  it('follows a cluster that moves, says so, and does not call it new', () => {
    let at = 0;
    const feed = new Feed(
      startAt([
        [0, 0],
        [50, 50],
      ]),
      1000,
    );
    feed.points(30_000, (random) => {
      at += 1 / 4000;
      return around([at, 0], [50, 50])(random);
    });
    expect(nearestTo(feed.model, [at, 0])).toBeLessThan(1);
    expect(feed.count('moved')).toBeGreaterThan(0);
    expect(feed.newcomers).toEqual([]);
  });

  it('acts once a look, and up to 1 + k/100 times in the interval of one', () => {
    const mostInInterval = (k: number) => {
      const far = startAt(Array.from({ length: k }, (_, j) => [1e5 + j, 1e5]));
      // A look each 200 points.
      const feed = new Feed(far, 4000).points(20_000, around(...groups));
      const acts = feed.newcomers.map(({ points }) => points);
      const within = (points: number) => acts.filter((at) => points <= at && at < points + 200);
      expect(acts.length).toBeGreaterThan(2);
      expect(new Set(acts).size).toBe(acts.length);
      return Math.max(...acts.map((at) => within(at).length));
    };
    expect(mostInInterval(8)).toBe(1);
    expect(mostInInterval(128)).toBe(2);
  });
});
