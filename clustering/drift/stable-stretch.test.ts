import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { mixture, type Points, streamThrough } from '../testing/streams.ts';
import { type DriftFinding, DriftMonitor } from './drift-monitor.ts';
import { largestShift, StableStretch } from './stable-stretch.ts';

/** The last report of a monitored stream whose event time is a second for each point. */
function lastOf(points: Points, k: number, batch = 250): DriftFinding {
  const drift = new DriftMonitor();
  let seen = 0;
  let last: DriftFinding | undefined;
  streamThrough(points, { k, batch }, (quality, model) => {
    seen += quality.count;
    const about = { modelVersion: `1.0.${model.patch}`, timestampMs: 1000 * seen };
    last = drift.add({ ...quality, ...about }) ?? last;
  });
  return last!;
}

function shuttle(shift: number, from: number): Points {
  const path = new URL('../../examples/data/shuttle.csv.gz', import.meta.url);
  const [, ...lines] = gunzipSync(readFileSync(path)).toString().trim().split('\n');
  const rows = lines.map((line) => line.split(',').slice(0, -1).map(Number));
  const dims = rows[0]!.length;
  const values = Float32Array.from(rows.flat(), (x, i) => x + (i >= from * dims ? shift : 0));
  return { n: rows.length, dims, values };
}

const at = 50_000;
const moved = (shift: number) => mixture(100_000, 4, 8, 1, (row) => (row >= at ? shift : 0));
const summary = (mean: number, timestampMs: number, count = 10) => ({
  ...{ count, timestampMs },
  featureSums: [0, mean * count],
});

describe('the stable stretch of a stream', () => {
  it.each([
    ['of a still mixture', mixture(200_000, 3, 6, 4), 6],
    ['of Shuttle replayed in order', shuttle(0, 0), 8],
  ])('%s reaches back to the beginning', (_, points, k) => {
    const { stableSinceMs, stablePoints } = lastOf(points, k);
    expect(stableSinceMs).toBe(250_000);
    expect(stablePoints).toBeGreaterThan(points.n - 5_000);
  });

  it.each([
    [1, 40_000],
    [3, 45_000],
    [10, 47_000],
  ])('begins near a step of %i, also long after the model has followed', (shift, earliest) => {
    const { stableSinceMs, stablePoints, count, pageHinkley } = lastOf(moved(shift), 8);
    expect(stableSinceMs).toBeGreaterThan(1000 * earliest);
    expect(stableSinceMs).toBeLessThan(1000 * (at + 3_000));
    expect(stablePoints).toBe(100_250 - stableSinceMs / 1000);
    expect([count, pageHinkley < 1]).toEqual([5_000, true]);
  });

  it('begins near a shift of Shuttle, in commits of any size', () => {
    for (const batch of [50, 250, 600]) {
      const { stableSinceMs } = lastOf(shuttle(30, 25_000), 8, batch);
      expect(stableSinceMs).toBeGreaterThan(20_000_000);
      expect(stableSinceMs).toBeLessThan(27_000_000);
    }
  });

  it('counts from the first point of its generation before there is a reference', () => {
    const stretch = new StableStretch(20);
    expect([stretch.sinceMs, stretch.points]).toEqual([-1, 0]);
    for (let i = 0; i < 7; i++) stretch.add(summary(i, 100 + i), null);
    expect([stretch.sinceMs, stretch.points]).toEqual([100, 70]);
    for (let i = 0; i < 7; i++) stretch.add(summary(0, 200 + i), { count: 1, featureSums: [0, 0] });
    expect([stretch.sinceMs, stretch.points]).toEqual([100, 140]);
  });

  it('is not undone by one wild point, or by one that is no number', () => {
    for (const wild of [1e300, Infinity, Number.NaN]) {
      const stretch = new StableStretch(10);
      const reference = { count: 10, featureSums: [0, 0] };
      for (let i = 0; i < 400; i++) {
        stretch.add(summary(i === 200 ? wild : (i % 7) / 50, i), reference);
      }
      expect(stretch.sinceMs).toBe(0);
    }
  });
});

it('the largest shift of a mean is the largest difference of means', () => {
  const [before, now] = [
    { count: 4, featureSums: [4, -8, 2] },
    { count: 5, featureSums: [5, -5, 0] },
  ];
  expect(largestShift(before, now)).toBe(1);
  expect(largestShift(now, before)).toBe(1);
});
