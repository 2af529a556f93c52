// A fit over ranges that are all in this thread: what a job on many machines does, without the machines, to the same bits.

import type { Kernels } from '../kernels/kernels.ts';
import { CentroidViews } from './centroid-views.ts';
import { AnswerCombiner } from './combine.ts';
import {
  type RangeFit,
  type RangeFitProblem,
  type RangeIteration,
  rangeFitSteps,
} from './range-fit.ts';
import type { RangeRows } from './range-rows.ts';
import { RangeWork } from './range-work.ts';

export interface FitRangesOptions extends RangeFitProblem {
  readonly kernels: Kernels;
  readonly onIteration?: ((report: RangeIteration) => void) | undefined;
}

export function fitRanges(ranges: readonly RangeRows[], options: FitRangesOptions): RangeFit {
  const { kernels, onIteration, ...problem } = options;
  const { dims, seed } = problem;
  const views = new CentroidViews(kernels, dims, () => ranges.reduce((sum, { n }) => sum + n, 0));
  const works = ranges.map(
    (rows, range) => new RangeWork(rows, { range, dims, seed, kernels, views }),
  );
  const steps = rangeFitSteps(problem, { kernels, onIteration });
  let step = steps.next();
  while (!step.done) {
    const combiner = new AnswerCombiner(step.value, dims);
    for (const work of works) combiner.add(work.answerAtOnce(step.value));
    step = steps.next(combiner.result());
  }
  return step.value;
}
