// Is the data still what the model was made for? Summaries of what tasks saw are added up, in log order, to windows of a
// number of points; each closed window is compared with a reference window of the same generation.
//
//     generation begins ──► warm-up windows (skipped) ──► reference window ──► compared windows …
//
// Detectors: PSI of the shares by reference centroid; the largest shift of a feature's mean; Page-Hinkley on the window's
// mean standardised distance, in standard deviations of a point. Beside them stands since when nothing has changed
// (stable-stretch.ts). A new generation starts all of it afresh.

import { assert } from '../../support/index.ts';
import type { QualityStatistics } from '../quality-accumulator.ts';
import { freshPageHinkley, PageHinkley, type PageHinkleyState } from './page-hinkley.ts';
import { psi, psiNoise } from './psi.ts';
import { largestShift, StableStretch, type StableStretchState } from './stable-stretch.ts';

export interface DriftOptions {
  readonly windowPoints: number;
  readonly warmUpWindows: number;
  readonly psiWarning: number;
  readonly psiAlarm: number;
  /** In model-space units, that is standard deviations when a scaler is on. */
  readonly featureShiftWarning: number;
  readonly featureShiftAlarm: number;
  /** In standard deviations of a point's standardised distance. */
  readonly pageHinkleyDelta: number;
  readonly pageHinkleyThreshold: number;
}

export const driftDefaults: DriftOptions = {
  windowPoints: 5000,
  warmUpWindows: 1,
  psiWarning: 0.1,
  psiAlarm: 0.25,
  featureShiftWarning: 0.5,
  featureShiftAlarm: 1,
  pageHinkleyDelta: 0.25,
  pageHinkleyThreshold: 1,
};

export interface DriftSummary extends QualityStatistics {
  readonly modelVersion: string;
  readonly timestampMs: number;
}

export interface DriftFinding {
  readonly window: number;
  readonly modelVersion: string;
  readonly timestampMs: number;
  readonly count: number;
  readonly psi: number | null;
  readonly pageHinkley: number;
  readonly pageHinkleyThreshold: number;
  readonly featureShift: number | null;
  readonly meanStandardisedDistance: number;
  readonly outlierRate: number;
  /** Event time since which the stream has looked as it does now, and points since then. */
  readonly stableSinceMs: number;
  readonly stablePoints: number;
  readonly level: 'none' | 'warning' | 'alarm';
  readonly detectors: readonly string[];
}

interface DriftWindow {
  modelVersion: string;
  timestampMs: number;
  count: number;
  distanceSum: number;
  distanceSquareSum: number;
  outliers: number;
  readonly clusterCounts: number[];
  readonly featureSums: number[];
}

/** Plain data, JSON both ways without loss. */
export interface DriftState {
  readonly generation: readonly [number, number];
  /** Windows closed since monitoring began, and since the generation did. */
  readonly closed: number;
  readonly closedInGeneration: number;
  readonly open: DriftWindow | null;
  readonly reference: DriftWindow | null;
  readonly pageHinkley: PageHinkleyState;
  /** Absent in what a release before it has stored. */
  readonly stretch?: StableStretchState;
}

export class DriftMonitor {
  readonly #options: DriftOptions;
  #generation: readonly [number, number] = [-1, -1];
  #closed = 0;
  #closedInGeneration = 0;
  #open: DriftWindow | null = null;
  #reference: DriftWindow | null = null;
  #pageHinkley: PageHinkley;
  #stretch: StableStretch;

  constructor(options: Partial<DriftOptions> = {}, state?: DriftState) {
    this.#options = { ...driftDefaults, ...options };
    assert(this.#options.windowPoints >= 1, 'a window holds at least one point');
    this.#pageHinkley = newPageHinkley(this.#options, state?.pageHinkley);
    this.#stretch = newStretch(this.#options, state?.stretch);
    if (state === undefined) return;
    this.#generation = state.generation;
    this.#closed = state.closed;
    this.#closedInGeneration = state.closedInGeneration;
    this.#open = state.open === null ? null : copyOf(state.open);
    this.#reference = state.reference === null ? null : copyOf(state.reference);
  }

  /** Adds a summary. @returns the window it closed, if any. Summaries of an older generation are left out. */
  add(summary: DriftSummary): DriftFinding | undefined {
    if (summary.count === 0) return undefined;
    const age = compareGenerations(generationOf(summary.modelVersion), this.#generation);
    if (age < 0) return undefined;
    if (age > 0) this.#begin(generationOf(summary.modelVersion));
    this.#open ??= emptyWindow(summary);
    addTo(this.#open, summary);
    this.#stretch.add(summary, this.#reference);
    if (this.#open.count < this.#options.windowPoints) return undefined;
    return this.#close(this.#open);
  }

  state(): DriftState {
    return {
      generation: this.#generation,
      closed: this.#closed,
      closedInGeneration: this.#closedInGeneration,
      open: this.#open === null ? null : copyOf(this.#open),
      reference: this.#reference === null ? null : copyOf(this.#reference),
      pageHinkley: this.#pageHinkley.state(),
      stretch: this.#stretch.state(),
    };
  }

  #begin(generation: readonly [number, number]): void {
    this.#generation = generation;
    this.#closedInGeneration = 0;
    this.#open = null;
    this.#reference = null;
    this.#pageHinkley = newPageHinkley(this.#options);
    this.#stretch = newStretch(this.#options);
  }

  #close(window: DriftWindow): DriftFinding {
    const finding = this.#judge(window);
    const isReference = this.#closedInGeneration === this.#options.warmUpWindows;
    if (isReference) this.#reference = window;
    this.#open = null;
    this.#closed += 1;
    this.#closedInGeneration += 1;
    return finding;
  }

  #judge(window: DriftWindow): DriftFinding {
    const options = this.#options;
    const index = this.#reference && shareIndex(this.#reference, window);
    const featureShift = this.#reference && largestShift(this.#reference, window);
    const pageHinkley = this.#followDistance(window);
    const { level, detectors } = verdict([
      ['psi', (index?.value ?? 0) - (index?.noise ?? 0), options.psiWarning, options.psiAlarm],
      ['feature-shift', featureShift ?? 0, options.featureShiftWarning, options.featureShiftAlarm],
      ['page-hinkley', pageHinkley, options.pageHinkleyThreshold / 2, options.pageHinkleyThreshold],
    ]);
    return {
      window: this.#closed,
      modelVersion: window.modelVersion,
      timestampMs: window.timestampMs,
      count: window.count,
      psi: index?.value ?? null,
      pageHinkley,
      pageHinkleyThreshold: options.pageHinkleyThreshold,
      featureShift,
      meanStandardisedDistance: window.distanceSum / window.count,
      outlierRate: window.outliers / window.count,
      stableSinceMs: this.#stretch.sinceMs,
      stablePoints: this.#stretch.points,
      level,
      detectors,
    };
  }

  #followDistance(window: DriftWindow): number {
    if (this.#reference === null) return 0;
    const { mean, deviation } = distanceMoments(this.#reference);
    this.#pageHinkley.add((window.distanceSum / window.count - mean) / deviation);
    return this.#pageHinkley.statistic;
  }
}

/** The reference stands for this many windows of deviation 0, so that the first compared one can already stand out. */
const referenceWindows = 30;

function newPageHinkley(options: DriftOptions, state?: PageHinkleyState): PageHinkley {
  const { pageHinkleyDelta: delta, pageHinkleyThreshold: lambda } = options;
  const begin = { ...freshPageHinkley, count: referenceWindows };
  return new PageHinkley({ delta, lambda, minimum: referenceWindows }, state ?? begin);
}

/** Shorter than a window, so that a change shows after a few of them. */
const blocksPerWindow = 20;

function newStretch({ windowPoints }: DriftOptions, state?: StableStretchState): StableStretch {
  return new StableStretch(windowPoints / blocksPerWindow, state);
}

type Reading = readonly [detector: string, value: number, warning: number, alarm: number];

function verdict(readings: readonly Reading[]): Pick<DriftFinding, 'level' | 'detectors'> {
  const alarms = readings.filter(([, value, , alarm]) => value > alarm);
  const warnings = readings.filter(([, value, warning]) => value > warning);
  const level = alarms.length > 0 ? 'alarm' : warnings.length > 0 ? 'warning' : 'none';
  const fired = level === 'alarm' ? alarms : warnings;
  return { level, detectors: fired.map(([detector]) => detector) };
}

function shareIndex(reference: DriftWindow, window: DriftWindow) {
  const [before, now] = [reference.clusterCounts, window.clusterCounts];
  const [n, m] = [sum(before), sum(now)];
  if (n === 0 || m === 0) return null;
  return { value: psi(before, now), noise: psiNoise(before.length, n, m) };
}

/** Of a point's standardised distance. A deviation of almost nothing is no yardstick. */
function distanceMoments({ count, distanceSum, distanceSquareSum }: DriftWindow) {
  const mean = distanceSum / count;
  const variance = distanceSquareSum / count - mean * mean;
  return { mean, deviation: Math.max(0.1, Math.sqrt(Math.max(0, variance))) };
}

function emptyWindow({ modelVersion, clusterCounts, featureSums }: DriftSummary): DriftWindow {
  return {
    modelVersion,
    timestampMs: 0,
    count: 0,
    distanceSum: 0,
    distanceSquareSum: 0,
    outliers: 0,
    clusterCounts: new Array<number>(clusterCounts.length).fill(0),
    featureSums: new Array<number>(featureSums.length).fill(0),
  };
}

function addTo(window: DriftWindow, summary: DriftSummary): void {
  window.modelVersion = summary.modelVersion;
  window.timestampMs = Math.max(window.timestampMs, summary.timestampMs);
  window.count += summary.count;
  window.distanceSum += summary.standardisedDistanceSum;
  window.distanceSquareSum += summary.standardisedDistanceSquareSum;
  window.outliers += summary.outliers;
  addNumbers(window.clusterCounts, summary.clusterCounts);
  addNumbers(window.featureSums, summary.featureSums);
}

function addNumbers(into: number[], numbers: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i]! += numbers[i]!;
}

function copyOf(window: DriftWindow): DriftWindow {
  const { clusterCounts, featureSums } = window;
  return { ...window, clusterCounts: clusterCounts.slice(), featureSums: featureSums.slice() };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, value) => total + value, 0);
}

function generationOf(version: string): readonly [number, number] {
  const [major, minor] = version.split('.').map(Number);
  return [major!, minor!];
}

function compareGenerations(a: readonly [number, number], b: readonly [number, number]): number {
  return a[0] - b[0] || a[1] - b[1];
}
