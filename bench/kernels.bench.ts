// The kernels alone, one thread, all points in memory: labels as scikit-learn's predict gives them, labels and distances as
// FAISS's flat search gives them, and the update of a mini-batch as MiniBatchKMeans.partial_fit makes it (assign, add up,
// move the centroids, 4096 points a batch). The WebAssembly kernels do the same beside them.

import {
  type CentroidPanels,
  chooseKernels,
  clusterSums,
  type Kernels,
  loadWasmKernels,
} from '../clustering/index.ts';
import type { Bench, BenchRow } from './bench.ts';
import { withTemporaryFolder } from './paths.ts';
import { type PointSet, pointSet } from './points.ts';
import { type PeerTask, PythonPeers } from './python-peers.ts';
import { measured, medianSample, rounded, type Sample } from './timing.ts';

interface Shape {
  readonly n: number;
  readonly dims: number;
  readonly k: number;
}

const shapes: readonly Shape[] = [
  { n: 400_000, dims: 32, k: 64 },
  { n: 200_000, dims: 128, k: 256 },
  { n: 100_000, dims: 128, k: 1024 },
  ...[3, 9, 50, 100].flatMap((dims) => [5, 17, 200].map((k) => ({ n: 200_000, dims, k }))),
];

type Work = 'labels' | 'labels and distances' | 'update';

const comparisons: readonly { readonly work: Work; readonly task: PeerTask }[] = [
  { work: 'labels', task: 'sklearn-predict' },
  { work: 'labels and distances', task: 'faiss-search' },
  { work: 'update', task: 'sklearn-partial-fit' },
];

const batchRows = 4096;
/** Overlapping clusters: many points lie between two. */
const noise = 0.5;

export const kernelsBench: Bench = {
  name: 'kernels',
  question: 'How fast are the kernels alone on one thread, against scikit-learn and FAISS?',
  async run({ smoke, n, say }) {
    const rows: BenchRow[] = [];
    for (const shape of smoke ? shapes.slice(0, 1) : shapes) {
      const size = n ?? (smoke ? 2_000 : shape.n);
      say(`d=${shape.dims} K=${shape.k}, ${size} points`);
      rows.push(...(await measureShape({ ...shape, n: size }, smoke ? 1 : roundsOf(shape))));
    }
    return rows;
  },
};

/** A short measurement meets other programs more unevenly: it is repeated more often. */
function roundsOf({ n, dims, k }: Shape): number {
  return n * dims * k < 1e9 ? 9 : 5;
}

async function measureShape(shape: Shape, rounds: number): Promise<BenchRow[]> {
  return withTemporaryFolder(async (folder) => {
    const points = pointSet({ ...shape, noise, seed: 1 });
    const native = new KernelWork(points, chooseKernels().kernels);
    const wasm = new KernelWork(points, loadWasmKernels());
    native.run('labels');
    const peers = await PythonPeers.start(folder, points, native.labels);
    try {
      const rows: BenchRow[] = [];
      for (const { work, task } of comparisons) {
        const samples = await takeTurns(rounds, work, native, wasm, peers, task);
        rows.push(rowOf(shape, work, native.layout, peers.nameOf(task), samples));
      }
      return rows;
    } finally {
      await peers.stop();
    }
  });
}

interface Turn {
  readonly ours: Sample;
  readonly wasm: Sample;
  readonly theirs: Sample | undefined;
}

/** A first round warms all up and does not count. */
async function takeTurns(
  rounds: number,
  work: Work,
  native: KernelWork,
  wasm: KernelWork,
  peers: PythonPeers,
  task: PeerTask,
): Promise<Turn[]> {
  const turns: Turn[] = [];
  for (let round = 0; round <= rounds; round++) {
    const ours = await measured(() => native.run(work));
    const theirs = peers.has(task) ? await peers.run(task) : undefined;
    turns.push({ ours, theirs, wasm: await measured(() => wasm.run(work)) });
  }
  return turns.slice(1);
}

function rowOf(
  { n, dims, k }: Shape,
  work: Work,
  kernels: string,
  peer: string,
  turns: readonly Turn[],
): BenchRow {
  const own = medianSample(turns.map((turn) => turn.ours));
  const ours = own.seconds;
  const wasm = medianSample(turns.map((turn) => turn.wasm)).seconds;
  const measuredTheirs = turns.flatMap((turn) => turn.theirs ?? []);
  const peers = measuredTheirs.length > 0 ? medianSample(measuredTheirs) : undefined;
  const theirs = peers?.seconds;
  return {
    ...{ case: `${work} d=${dims} K=${k}`, n, d: dims, k, peer },
    ours: rounded(n / ours),
    theirs: theirs === undefined ? null : rounded(n / theirs),
    unit: 'points/s',
    ratio: theirs === undefined ? null : rounded(theirs / ours),
    /** Of CPU seconds: what stays when other programs take turns with both. */
    cpuRatio: peers === undefined ? null : rounded(peers.cpuSeconds / own.cpuSeconds),
    ...{ kernels, wasm: rounded(n / wasm) },
    wasmRatio: theirs === undefined ? null : rounded(theirs / wasm),
  };
}

/** One kernel set over one set of points. */
class KernelWork {
  readonly layout: string;
  readonly labels: Int32Array;
  readonly #distances: Float32Array;
  readonly #points: PointSet;
  readonly #kernels: Kernels;
  readonly #panels: CentroidPanels;

  constructor(points: PointSet, kernels: Kernels) {
    const { n, dims, k, centres } = points;
    this.layout = kernels.layout;
    this.labels = new Int32Array(n);
    this.#distances = new Float32Array(n);
    this.#points = points;
    this.#kernels = kernels;
    this.#panels = kernels.prepare(Float32Array.from(centres), k, dims);
  }

  run(work: Work): void {
    const { values, n } = this.#points;
    if (work === 'update') this.#update();
    else if (work === 'labels') this.#kernels.nearest(values, n, this.#panels, this.labels);
    else this.#kernels.nearest(values, n, this.#panels, this.labels, this.#distances);
  }

  /** Batch after batch: each centroid becomes the mean of all points it was ever given. */
  #update(): void {
    const { n, dims, k, values, centres } = this.#points;
    const centroids = Float64Array.from(centres);
    const rounded = new Float32Array(k * dims);
    const totals = new Float64Array(k);
    const sums = clusterSums(k, dims);
    for (let from = 0; from < n; from += batchRows) {
      const rows = Math.min(batchRows, n - from);
      const batch = values.subarray(from * dims, (from + rows) * dims);
      rounded.set(centroids);
      sums.column.fill(0);
      const panels = this.#kernels.prepare(rounded, k, dims);
      const labels = this.labels.subarray(from, from + rows);
      this.#kernels.assignAccumulate(batch, undefined, rows, panels, centroids, labels, sums);
      for (let j = 0; j < k; j++) {
        totals[j]! += sums.weights[j]!;
        if (totals[j] === 0) continue;
        for (let d = j * dims; d < (j + 1) * dims; d++) {
          centroids[d]! += sums.residuals[d]! / totals[j]!;
        }
      }
    }
  }
}
