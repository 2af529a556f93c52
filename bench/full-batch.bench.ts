// A whole fit from given seeds, on all cores: ours against the fastest of scikit-learn's two algorithms and FAISS, over the
// same bytes. Ours and scikit-learn stop by the same tolerance or at the same number of iterations; FAISS, which has no
// tolerance, makes as many iterations as scikit-learn did. Where the peers are stopped by that number and not by the tolerance,
// ours is stopped as soon as its inertia is no higher than the lowest of theirs: an iteration with momentum leads further. What
// ours takes with every iteration Lloyd's own, as the peers' are, stands beside it. All must end within 0.1 % of the same
// inertia, or the row says so. Where there are few points to a cluster, the peers end by themselves in optima that momentum
// passes by: of 40 sets of 2,000 uniform points, K = 64, ours ended 0.3 to 1.3 % lower on each, and takes its time for that.

import { availableParallelism } from 'node:os';
import {
  chooseKernels,
  type FullBatchFit,
  type FullBatchOptions,
  fitFullBatch,
  fullBatchSteps,
} from '../clustering/index.ts';
import type { Bench, BenchRow } from './bench.ts';
import { type FitProblem, type FitSample, FullBatchPeers } from './full-batch-peers.ts';
import { withTemporaryFolder } from './paths.ts';
import { pointSet } from './points.ts';
import { measured, medianSample, rounded } from './timing.ts';

interface Case {
  readonly n: number;
  readonly dims: number;
  readonly k: number;
}

const cases: readonly Case[] = [
  { n: 1_000_000, dims: 100, k: 10 },
  { n: 1_000_000, dims: 32, k: 64 },
  { n: 200_000, dims: 128, k: 256 },
];
/** Standard deviation about centres in [−1, 1]^dims; undefined: uniform points, which nothing prunes well. */
const noises = { clustered: 0.5, uniform: undefined } as const;
const iterationsMax = 100;
const inertiaTolerance = 1.001;
/** A peer this much slower than the fastest in the first round is not asked again. */
const hopeless = 1.3;

export const fullBatchBench: Bench = {
  name: 'full-batch',
  question:
    'How fast is a full-batch fit on all cores to equal inertia, against scikit-learn and FAISS?',
  async run({ smoke, n, say }) {
    const rows: BenchRow[] = [];
    for (const each of smoke ? cases.slice(1, 2) : cases) {
      for (const kind of ['clustered', 'uniform'] as const) {
        const size = n ?? (smoke ? 2_000 : each.n);
        say(`d=${each.dims} K=${each.k} ${kind}, ${size} points`);
        const row = await measureCase({ ...each, n: size }, kind, smoke ? 1 : 3);
        say(`  ${row.ours} s, ${row.peer} ${row.theirs} s`);
        rows.push(row);
      }
    }
    return rows;
  },
};

async function measureCase(
  each: Case,
  kind: keyof typeof noises,
  rounds: number,
): Promise<BenchRow> {
  const { n, dims, k } = each;
  const values = new Float32Array(new SharedArrayBuffer(n * dims * 4));
  values.set(pointSet({ ...each, noise: noises[kind], seed: 1 }).values);
  const problem: FitProblem = {
    ...{ n, dims, k, values, seeds: values.slice(0, k * dims), iterationsMax },
    threads: availableParallelism(),
  };
  return withTemporaryFolder(async (folder) => {
    const peers = await FullBatchPeers.start(folder, problem);
    try {
      const samples = await takeTurns(problem, peers, rounds);
      return rowOf(`d=${dims} K=${k} ${kind}`, problem, peers, samples);
    } finally {
      await peers.stop();
    }
  });
}

interface Samples {
  readonly ours: readonly FitSample[];
  readonly lloydAlone: FitSample;
  readonly peers: ReadonlyMap<string, readonly FitSample[]>;
}

/** Each peer that may still be the fastest, then ours, round after round; the first, uncounted for those that go on, warms up. */
async function takeTurns(
  problem: FitProblem,
  peers: FullBatchPeers,
  rounds: number,
): Promise<Samples> {
  let tasks = Object.keys(peers.names);
  const ours: FitSample[] = [];
  const theirs = new Map<string, FitSample[]>(tasks.map((task) => [task, []]));
  let { iterationsMax } = problem;
  let iterationsOfPeers = iterationsMax;
  for (let round = 0; round <= rounds; round++) {
    if (round === 1) {
      ours.length = 0;
      for (const task of tasks) theirs.set(task, []);
    }
    for (const task of tasks) {
      const sample = await peers.run(task, iterationsOfPeers);
      theirs.get(task)!.push(sample);
      if (task === 'sklearn-lloyd') iterationsOfPeers = sample.iterations;
    }
    const seconds = (task: string): number => theirs.get(task)!.at(-1)!.seconds;
    if (round === 0 && tasks.length > 0) {
      const first = tasks.map((task) => theirs.get(task)![0]!);
      const isCut = first.some(({ iterations }) => iterations === problem.iterationsMax);
      if (isCut) iterationsMax = iterationsTo(Math.min(...first.map(inertiaOf)), problem);
      const fastest = Math.min(...tasks.map(seconds));
      tasks = tasks.filter((task) => seconds(task) <= hopeless * fastest);
    }
    ours.push(await fitOurs(problem, { iterationsMax }));
  }
  const lloydAlone = await fitOurs(problem, { momentum: false });
  return { ours, lloydAlone, peers: theirs };
}

/** The fewest iterations with which ours ends at no more than this inertia, or as many as any may make. */
function iterationsTo(inertia: number, problem: FitProblem): number {
  for (const report of fullBatchSteps(optionsOf(problem))) {
    if (report.inertia <= inertia) return report.iteration;
  }
  return problem.iterationsMax;
}

function inertiaOf({ inertia }: FitSample): number {
  return inertia;
}

function optionsOf({ seeds, ...problem }: FitProblem): FullBatchOptions {
  const { kernels } = chooseKernels();
  return { ...problem, seed: 1, kernels, initial: Float64Array.from(seeds), nInit: 0 };
}

async function fitOurs(
  problem: FitProblem,
  how: Pick<FullBatchOptions, 'iterationsMax' | 'momentum'>,
): Promise<FitSample> {
  const options = { ...optionsOf(problem), ...how };
  let fit: FullBatchFit | undefined;
  const sample = await measured(() => {
    fit = fitFullBatch(options);
  });
  return { ...sample, inertia: fit!.inertia, iterations: fit!.iterations };
}

function rowOf(
  name: string,
  { n, dims, k, threads }: FitProblem,
  { names }: FullBatchPeers,
  { ours, lloydAlone, peers }: Samples,
): BenchRow {
  const secondsOf = (task: string): number => medianSample(peers.get(task)!).seconds;
  const { seconds, cpuSeconds } = medianSample(ours);
  const [fastest] = Object.keys(names).sort((a, b) => secondsOf(a) - secondsOf(b));
  const row = { case: name, n, d: dims, k };
  const more = {
    unit: 's',
    threads,
    iterations: ours[0]!.iterations,
    cpuSeconds: rounded(cpuSeconds),
    's Lloyd alone': rounded(lloydAlone.seconds),
    'iterations Lloyd alone': lloydAlone.iterations,
  };
  if (fastest === undefined) {
    const missing = { peer: 'missing: run bench/peers/install.sh', theirs: null, ratio: null };
    return { ...row, ...missing, ours: rounded(seconds), ...more };
  }
  const theirs = secondsOf(fastest);
  const inertias = Object.keys(names).map((task) => peers.get(task)![0]!.inertia);
  const inertiaRatio = ours[0]!.inertia / Math.min(...inertias);
  const others = Object.keys(names).map((task) => [`s ${task}`, rounded(secondsOf(task))]);
  return {
    ...{ ...row, peer: names[fastest]!, ours: rounded(seconds), theirs: rounded(theirs) },
    ...{ ratio: rounded(theirs / seconds), ...more },
    theirCpuSeconds: rounded(medianSample(peers.get(fastest)!).cpuSeconds),
    theirIterations: peers.get(fastest)![0]!.iterations,
    ...Object.fromEntries(others),
    inertiaRatio: Number(inertiaRatio.toFixed(5)),
    sameInertia: sameInertia(ours[0]!.inertia, inertias),
  };
}

/** Times compare where the answer is yes. Where ours is lower they say the less for ours; where it is no, they say nothing. */
function sameInertia(ours: number, theirs: readonly number[]): string {
  if (isSame([ours, ...theirs])) return 'yes';
  return isSame(theirs) && ours < Math.min(...theirs) ? 'ours is lower' : 'no';
}

function isSame(inertias: readonly number[]): boolean {
  return Math.max(...inertias) <= inertiaTolerance * Math.min(...inertias);
}
