// The kernels by themselves, one thread: points to nearest clusters, and the online update, against scikit-learn and
// FAISS. Both sides hold the same float32 points and centroids in memory; the peers get all points in one call where
// that suits them. Ours answers more in the same time: runner-up, margin and outlier score beside label and distance.

import {
  Assigner,
  chooseKernels,
  DeltaAccumulator,
  distanceBins,
  identityScaler,
} from '../clustering/index.ts';
import type { Bench, BenchRow } from './bench.ts';
import { withTemporaryFolder } from './paths.ts';
import { type PointSet, pointSet } from './points.ts';
import { type PeerTask, PythonPeers } from './python-peers.ts';
import { measured, medianSample, paired, rounded, type Sample } from './timing.ts';

interface Case {
  readonly name: string;
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  readonly noise: number | undefined;
}

/** As many rows as the stream hands to a processor at once. */
const batchRows = 4096;

interface Comparison {
  readonly work: 'assign' | 'update';
  readonly task: PeerTask;
}

const comparisons: readonly Comparison[] = [
  { work: 'assign', task: 'sklearn-predict' },
  { work: 'assign', task: 'faiss-search' },
  { work: 'update', task: 'sklearn-partial-fit' },
];

const cases: readonly Case[] = [
  { name: 'd=32 K=64, clustered', n: 200_000, dims: 32, k: 64, noise: 0.1 },
  { name: 'd=32 K=64, overlapping', n: 200_000, dims: 32, k: 64, noise: 0.5 },
  { name: 'd=32 K=64, uniform', n: 200_000, dims: 32, k: 64, noise: undefined },
  { name: 'd=128 K=1024, overlapping', n: 20_000, dims: 128, k: 1024, noise: 0.5 },
];

export const assignBench: Bench = {
  name: 'assign',
  question: 'How fast are our kernels on one thread, against scikit-learn and FAISS?',
  async run({ smoke, n, say }) {
    const rows: BenchRow[] = [];
    for (const each of smoke ? cases.slice(0, 1) : cases) {
      const size = n ?? (smoke ? 2_000 : each.n);
      say(`${each.name}, ${size} points`);
      rows.push(...(await measureCase({ ...each, n: size }, smoke ? 1 : 3)));
    }
    return rows;
  },
};

async function measureCase(each: Case, rounds: number): Promise<BenchRow[]> {
  return withTemporaryFolder(async (folder) => {
    const points = pointSet({ ...each, seed: 1 });
    const ours = new OurKernels(points);
    ours.assign();
    const peers = await PythonPeers.start(folder, points, ours.labels);
    try {
      const rows: BenchRow[] = [];
      for (const comparison of comparisons) {
        rows.push(await compare(each, comparison, ours, peers, rounds));
      }
      return rows;
    } finally {
      await peers.stop();
    }
  });
}

async function compare(
  { name, n, dims, k }: Case,
  { work, task }: Comparison,
  ours: OurKernels,
  peers: PythonPeers,
  rounds: number,
): Promise<BenchRow> {
  const measureOurs = () => measured(() => ours[work]());
  const row = { case: `${work}, ${name}`, n, d: dims, k, peer: peers.nameOf(task) };
  const more = { unit: 'points/s', kernels: ours.kernels };
  if (!peers.has(task)) {
    await measureOurs();
    const samples: Sample[] = [];
    for (let round = 0; round < rounds; round++) samples.push(await measureOurs());
    const { seconds } = medianSample(samples);
    return { ...row, ours: rounded(n / seconds), theirs: null, ratio: null, ...more };
  }
  const { ours: us, theirs } = await paired(rounds, measureOurs, () => peers.run(task));
  const ratio = rounded(theirs.seconds / us.seconds);
  return {
    ...row,
    ours: rounded(n / us.seconds),
    theirs: rounded(n / theirs.seconds),
    ratio,
    ...more,
  };
}

/** The work of AssignPoints without log and codecs, in batches of the same size. */
class OurKernels {
  readonly kernels: string;
  readonly labels: Int32Array;
  readonly #points: PointSet;
  readonly #assigner: Assigner;
  readonly #delta: DeltaAccumulator;
  readonly #weights = new Float32Array(batchRows).fill(1);
  readonly #offsets = Float64Array.from({ length: batchRows }, (_, row) => row);

  constructor(points: PointSet) {
    const { n, dims, k, centres } = points;
    const { kernels } = chooseKernels();
    const centroids = centres.map(Math.fround);
    const ones = new Float64Array(k).fill(1);
    const histogram = new Float64Array(k * distanceBins).fill(1);
    const { mean, scale } = identityScaler(dims);
    const model = {
      ...{ k, dims, centroids, mean, scale, reference: centroids, distanceHistogram: histogram },
      ...{ weights: ones, sumSquares: ones },
    };
    this.kernels = kernels.name;
    this.labels = new Int32Array(n);
    this.#points = points;
    this.#assigner = new Assigner(model, kernels);
    this.#delta = new DeltaAccumulator(model);
  }

  assign(): void {
    this.#eachBatch((values, from, rows) => {
      this.#assigner.assign(values, rows);
      this.labels.set(this.#assigner.labels.subarray(0, rows), from);
    });
  }

  /** Assigns and adds up, as between two commits. */
  update(): void {
    const assigner = this.#assigner;
    this.#eachBatch((values, _, rows) => {
      assigner.assign(values, rows);
      const { labels, distances } = assigner;
      this.#delta.add(values, this.#weights, labels, distances, this.#offsets, rows);
    });
    this.#delta.take();
  }

  #eachBatch(work: (values: Float32Array, from: number, rows: number) => void): void {
    const { n, dims, values } = this.#points;
    for (let from = 0; from < n; from += batchRows) {
      const rows = Math.min(batchRows, n - from);
      work(values.subarray(from * dims, (from + rows) * dims), from, rows);
    }
  }
}
