// A whole fit from given seeds, on all cores: ours against the fastest of scikit-learn's two algorithms and FAISS, over the
// same bytes. Ours and scikit-learn stop by the same tolerance or at the same number of iterations; FAISS, which has no
// tolerance, makes as many iterations as ours did. All must end within 0.1 % of the same inertia, or the row says so.

import { availableParallelism } from 'node:os';
import { chooseKernels, type FullBatchFit, fitFullBatch } from '../clustering/index.ts';
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

/** Ours, then each peer that may still be the fastest, round after round. */
async function takeTurns(
  problem: FitProblem,
  peers: FullBatchPeers,
  rounds: number,
): Promise<Map<string, FitSample[]>> {
  let tasks = Object.keys(peers.names);
  const samples = new Map<string, FitSample[]>();
  for (let round = 0; round < rounds; round++) {
    const ours = await fitOurs(problem);
    samples.set('ours', [...(samples.get('ours') ?? []), ours]);
    for (const task of tasks) {
      const theirs = await peers.run(task, ours.iterations);
      samples.set(task, [...(samples.get(task) ?? []), theirs]);
    }
    const seconds = (task: string): number => samples.get(task)!.at(-1)!.seconds;
    const fastest = Math.min(...tasks.map(seconds));
    if (round === 0) tasks = tasks.filter((task) => seconds(task) <= hopeless * fastest);
  }
  return samples;
}

async function fitOurs(problem: FitProblem): Promise<FitSample> {
  const { n, dims, k, values, threads, seeds } = problem;
  const { kernels } = chooseKernels();
  const initial = Float64Array.from(seeds);
  let fit: FullBatchFit | undefined;
  const sample = await measured(() => {
    const options = { values, n, dims, k, seed: 1, kernels, initial, nInit: 0, threads };
    fit = fitFullBatch({ ...options, iterationsMax });
  });
  return { ...sample, inertia: fit!.inertia, iterations: fit!.iterations };
}

function rowOf(
  name: string,
  { n, dims, k, threads }: FitProblem,
  { names }: FullBatchPeers,
  samples: ReadonlyMap<string, FitSample[]>,
): BenchRow {
  const secondsOf = (task: string): number => medianSample(samples.get(task)!).seconds;
  const ours = samples.get('ours')!;
  const seconds = secondsOf('ours');
  const [fastest] = Object.keys(names).sort((a, b) => secondsOf(a) - secondsOf(b));
  const row = { case: name, n, d: dims, k };
  const more = {
    unit: 's',
    threads,
    iterations: ours[0]!.iterations,
    cpuSeconds: rounded(medianSample(ours).cpuSeconds),
  };
  if (fastest === undefined) {
    const missing = { peer: 'missing: run bench/peers/install.sh', theirs: null, ratio: null };
    return { ...row, ...missing, ours: rounded(seconds), ...more };
  }
  const theirs = secondsOf(fastest);
  const inertiaRatio = ours[0]!.inertia / samples.get(fastest)![0]!.inertia;
  const others = Object.keys(names).map((task) => [`s ${task}`, rounded(secondsOf(task))]);
  return {
    ...{ ...row, peer: names[fastest]!, ours: rounded(seconds), theirs: rounded(theirs) },
    ...{ ratio: rounded(theirs / seconds), ...more },
    theirCpuSeconds: rounded(medianSample(samples.get(fastest)!).cpuSeconds),
    theirIterations: samples.get(fastest)![0]!.iterations,
    ...Object.fromEntries(others),
    inertiaRatio: Number(inertiaRatio.toFixed(5)),
    sameInertia: Math.max(inertiaRatio, 1 / inertiaRatio) <= inertiaTolerance ? 'yes' : 'no',
  };
}
