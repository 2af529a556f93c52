import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { mixture, type Points, streamThrough } from '../testing/streams.ts';
import { type DriftFinding, DriftMonitor, type DriftSummary } from './drift-monitor.ts';

/** Streams points through an online model and its monitor, as the topology does. */
function monitor(points: Points, k: number, batch = 250): DriftFinding[] {
  const drift = new DriftMonitor();
  const findings: DriftFinding[] = [];
  streamThrough(points, { k, batch }, (quality, model) => {
    const modelVersion = `1.0.${model.patch}`;
    const finding = drift.add({ ...quality, modelVersion, timestampMs: 7 });
    if (finding !== undefined) findings.push(finding);
  });
  return findings;
}

function summary(count: number, overrides: Partial<DriftSummary> = {}): DriftSummary {
  return {
    modelVersion: '1.0.3',
    timestampMs: 0,
    count,
    weight: count,
    clusterCounts: Float64Array.of(count / 2, count / 2),
    standardisedDistanceSum: count * 0.9,
    standardisedDistanceSquareSum: count,
    inertia: count,
    featureSums: Float64Array.of(0),
    featureSquareSums: Float64Array.of(count),
    outliers: 0,
    ...overrides,
  };
}

describe('the drift monitor on streams', () => {
  it('says nothing about Shuttle replayed in order, though clusters are relocated meanwhile', () => {
    const findings = monitor(shuttle(), 8);
    expect(findings.length).toBe(9);
    expect(findings.map(({ level }) => level)).toEqual(new Array(9).fill('none'));
  });

  it('says nothing about a million still points', () => {
    const findings = monitor(mixture(1_000_000, 3, 6, 4), 6, 1000);
    expect(findings.length).toBe(200);
    expect(findings.every(({ level }) => level === 'none')).toBe(true);
  });

  it.each([3, 10])('alarms in the first window after a shift of %i', (shift) => {
    const still = 20_000;
    const findings = monitor(
      mixture(30_000, 4, 8, 1, (row) => (row >= still ? shift : 0)),
      8,
    );
    expect(findings.slice(0, 4).every(({ level }) => level === 'none')).toBe(true);
    expect(findings[4]).toMatchObject({ level: 'alarm' });
    expect(findings[4]!.detectors).toContain('psi');
    expect(findings[4]!.detectors).toContain('page-hinkley');
  });

  it('alarms when Shuttle shifts, and shows it in the numbers', () => {
    const { n, dims, values } = shuttle();
    const shifted = values.map((value, i) => value + (i >= 25_000 * dims ? 30 : 0));
    const findings = monitor({ n, dims, values: shifted }, 8);
    expect(findings.slice(0, 5).every(({ level }) => level === 'none')).toBe(true);
    for (const { level, psi, featureShift } of findings.slice(5)) {
      expect(level).toBe('alarm');
      expect(psi).toBeGreaterThan(1);
      expect(featureShift).toBeGreaterThan(1);
    }
  });
});

describe('the drift monitor', () => {
  it('closes a window with the summary that fills it', () => {
    const drift = new DriftMonitor({ windowPoints: 100 });
    expect(drift.add(summary(60))).toBeUndefined();
    expect(drift.add(summary(60))).toMatchObject({ window: 0, count: 120 });
    expect(drift.add(summary(99))).toBeUndefined();
    expect(drift.add(summary(1))).toMatchObject({ window: 1, count: 100 });
  });

  it('has no index before there is a reference', () => {
    const drift = new DriftMonitor({ windowPoints: 100 });
    const findings = [0, 1, 2].map(() => drift.add(summary(100))!);
    expect(findings.map(({ psi }) => psi === null)).toEqual([true, true, false]);
    expect(findings.map(({ featureShift }) => featureShift === null)).toEqual([true, true, false]);
  });

  it('finds a fall of the distance as well as a rise, once', () => {
    for (const distance of [0.1, 3]) {
      const drift = new DriftMonitor({ windowPoints: 100 });
      for (let window = 0; window < 6; window++) drift.add(summary(100));
      const changed = summary(100, { standardisedDistanceSum: 100 * distance });
      const levels = Array.from({ length: 20 }, () => drift.add(changed)!.level);
      expect(levels[0]).toBe('alarm');
      expect(levels.filter((level) => level === 'alarm').length).toBe(1);
    }
  });

  it('starts afresh with a generation, and leaves out what comes late from the one before', () => {
    const drift = new DriftMonitor({ windowPoints: 100 });
    for (let window = 0; window < 3; window++) drift.add(summary(100));
    const other = { modelVersion: '1.1.0', clusterCounts: Float64Array.of(1, 99, 0) };
    expect(drift.add(summary(100, other))).toMatchObject({ window: 3, psi: null, level: 'none' });
    expect(drift.add(summary(100))).toBeUndefined();
    expect(drift.add(summary(100, { ...other, modelVersion: '1.1.9' }))).toMatchObject({
      window: 4,
      psi: null,
    });
    expect(drift.add(summary(100, other))!.psi).toBeCloseTo(0, 9);
  });

  it('goes on from its state as if it had never stopped', () => {
    const steady = new DriftMonitor({ windowPoints: 100 });
    let restarted = new DriftMonitor({ windowPoints: 100 });
    for (let step = 0; step < 60; step++) {
      const next = summary(37, {
        timestampMs: step,
        clusterCounts: Float64Array.of(10 + (step % 7), 20 + step),
        standardisedDistanceSum: 30 + step / 3,
        featureSums: Float64Array.of(step / 7),
      });
      expect(restarted.add(next)).toEqual(steady.add(next));
      const state = JSON.parse(JSON.stringify(restarted.state()));
      restarted = new DriftMonitor({ windowPoints: 100 }, state);
    }
    expect(restarted.state()).toEqual(steady.state());
  });
});

function shuttle(): Points {
  const path = new URL('../../examples/data/shuttle.csv.gz', import.meta.url);
  const [, ...lines] = gunzipSync(readFileSync(path)).toString().trim().split('\n');
  const rows = lines.map((line) => line.split(',').slice(0, -1).map(Number));
  return { n: rows.length, dims: rows[0]!.length, values: Float32Array.from(rows.flat()) };
}
