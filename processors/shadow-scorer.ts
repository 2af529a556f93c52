// Scores a candidate beside the champion on the same live points, while the alias `shadow` points at it: every n-th offset, both in the
// candidate's space, as a retrain compares. Nobody is answered with it and nothing is learned from it.

import { Assigner, type Kernels } from '../clustering/index.ts';
import type { Model, PointBatch, ShadowSummary } from '../schemas/index.ts';

export type ShadowStatistics = Pick<
  ShadowSummary,
  'count' | 'weight' | 'championInertia' | 'shadowInertia' | 'sameIds'
>;

export class ShadowScorer {
  /** The decision that set the alias: set again, it is another comparison. */
  readonly decision: number;
  readonly shadow: Model;
  readonly #assigner: Assigner;
  readonly #kernels: Kernels;
  readonly #every: number;
  #champion: Model | undefined;
  #championAssigner: Assigner | undefined;
  #values = new Float32Array(0);
  #weights = new Float64Array(0);
  #totals = noStatistics();

  constructor(shadow: Model, decision: number, every: number, kernels: Kernels) {
    this.shadow = shadow;
    this.decision = decision;
    this.#every = every;
    this.#kernels = kernels;
    this.#assigner = new Assigner(shadow, kernels);
  }

  add(batch: PointBatch, champion: Model): void {
    if (!comparable(champion, this.shadow)) return;
    const rows = this.#gather(batch);
    if (rows === 0) return;
    const other = this.#against(champion);
    other.assign(this.#values, rows);
    this.#assigner.assign(this.#values, rows);
    const totals = this.#totals;
    totals.count += rows;
    for (let row = 0; row < rows; row += 1) {
      const weight = this.#weights[row]!;
      totals.weight += weight;
      totals.championInertia += weight * other.euclidean[row]! ** 2;
      totals.shadowInertia += weight * this.#assigner.euclidean[row]! ** 2;
      const id = champion.clusterIds[other.labels[row]!];
      if (id === this.shadow.clusterIds[this.#assigner.labels[row]!]) totals.sameIds += 1;
    }
  }

  /** Since the last call. */
  take(): ShadowStatistics {
    const taken = this.#totals;
    this.#totals = noStatistics();
    return taken;
  }

  #gather({ offsets, values, weights, n, dims }: PointBatch): number {
    const most = Math.ceil(n / this.#every) + 1;
    if (this.#weights.length < n) this.#weights = new Float64Array(n);
    if (this.#values.length < Math.max(most, n) * dims) {
      this.#values = new Float32Array(Math.max(most, n) * dims);
    }
    let rows = 0;
    for (let row = 0; row < n; row += 1) {
      if (offsets[row]! % this.#every !== 0) continue;
      this.#values.set(values.subarray(row * dims, (row + 1) * dims), rows * dims);
      this.#weights[rows] = weights[row]!;
      rows += 1;
    }
    return rows;
  }

  /** The champion moves with every epoch; it is measured in the candidate's space. */
  #against(champion: Model): Assigner {
    if (this.#champion !== champion || this.#championAssigner === undefined) {
      const { mean, scale, featureMeans } = this.shadow;
      const inSpace = { ...champion, mean, scale, featureMeans };
      this.#championAssigner = new Assigner(inSpace, this.#kernels, this.#championAssigner);
      this.#champion = champion;
    }
    return this.#championAssigner;
  }
}

function noStatistics() {
  return { count: 0, weight: 0, championInertia: 0, shadowInertia: 0, sameIds: 0 };
}

function comparable(a: Model, b: Model): boolean {
  return a.dims === b.dims && a.metric === b.metric && a.missing === b.missing;
}
