import { expect, it } from 'vitest';
import {
  AnswerCombiner,
  CentroidViews,
  chooseKernels,
  fitRanges,
  MemoryRows,
  type RangeFitProblem,
  type RangeIteration,
  RangeWork,
  type Step,
  type StepAnswer,
} from '../../clustering/index.ts';
import { Random } from '../../support/index.ts';
import type { FitThread as FitThreadClass } from './fit-thread.ts';

const [dims, n] = [16, 20_000];
const { kernels } = chooseKernels();
const random = new Random(4);
const values = Float32Array.from({ length: n * dims }, () => random.normal());
const rows = () => new MemoryRows(values.slice(), undefined, dims, kernels);
const problemOf = (k: number): RangeFitProblem => ({
  ...{ dims, k, seed: 3, metric: 'euclidean', missing: 'reject', scaling: true },
});

/** A thread runs the built file. */
async function open(
  problem: RangeFitProblem,
  onIteration: (report: RangeIteration) => void = () => {},
): Promise<FitThreadClass> {
  const built = new URL('../../dist/jobs/distributed/fit-thread.js', import.meta.url).href;
  const { FitThread } = (await import(built)) as { FitThread: typeof FitThreadClass };
  return new FitThread(problem, onIteration);
}

function answerer(own: MemoryRows, seed: number): (step: Step) => StepAnswer {
  const views = new CentroidViews(kernels, dims, () => n);
  const work = new RangeWork(own, { range: 0, dims, seed, kernels, views });
  return (step) => {
    const combiner = new AnswerCombiner(step, dims);
    combiner.add(work.answerAtOnce(step));
    return combiner.result();
  };
}

it('makes the steps of a fit to the same bits, and the calling thread is free meanwhile', async () => {
  const problem = problemOf(128);
  const reports: RangeIteration[] = [];
  const expected: RangeIteration[] = [];
  const wanted = fitRanges([rows()], {
    ...{ ...problem, kernels },
    onIteration: (report) => expected.push(report),
  });
  const thread = await open(problem, (report) => reports.push(report));
  const answer = answerer(rows(), problem.seed);
  let [longestMs, turns] = [0, 0];
  try {
    let next = await thread.next();
    while (!next.done) {
      const known = answer(next.value);
      const isSample = next.value.kind === 'sample';
      const startedMs = performance.now();
      const ticks = setInterval(() => {
        if (isSample) turns += 1;
      }, 5);
      next = await thread.next(known);
      clearInterval(ticks);
      if (isSample) longestMs = performance.now() - startedMs;
    }
    expect(next.value).toEqual(wanted);
    expect(reports).toEqual(expected);
    // The fit on the sample is what takes its time. Timers may be late, but are not held up until it is over.
    expect(longestMs).toBeGreaterThan(100);
    expect(turns).toBeGreaterThan(longestMs / 50);
  } finally {
    await thread.close();
  }
});

it('says what is wrong with the points as the fit does', async () => {
  const problem = problemOf(8);
  const same = new MemoryRows(new Float32Array(n * dims).fill(1), undefined, dims, kernels);
  const answer = answerer(same, problem.seed);
  const thread = await open(problem);
  const run = async () => {
    for (let next = await thread.next(); !next.done; ) next = await thread.next(answer(next.value));
  };
  await expect(run()).rejects.toMatchObject({ code: 'MEANSTREAM_TOO_FEW_DISTINCT_POINTS' });
  await thread.close();
});

it('drops what is under way when it is closed, and says so', async () => {
  const thread = await open(problemOf(128));
  const first = thread.next();
  await thread.close();
  await expect(first).rejects.toThrow("The fit's thread ended");
  await expect(thread.next()).rejects.toThrow("The fit's thread ended");
});
