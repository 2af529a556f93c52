// The answers of all ranges, one after the other in the order of ranges, come to one. That order is what makes the answer the
// same on any number of workers.

import { assert } from '../../support/index.ts';
import { mergeMoments } from './moments.ts';
import { sameRow } from './range-work.ts';
import { insertSorted } from './ranks.ts';
import type { AnswerTo, Step, StepAnswer } from './steps.ts';

/** The first answer is what the others are added to. */
export class AnswerCombiner {
  readonly #step: Step;
  readonly #dims: number;
  readonly #samples: AnswerTo<'sample'>[] = [];
  #sum: StepAnswer | undefined;

  constructor(step: Step, dims: number) {
    this.#step = step;
    this.#dims = dims;
  }

  /** In the order of ranges. */
  add(answer: StepAnswer): void {
    assert(answer.kind === this.#step.kind, 'an answer is to the step that was asked');
    if (answer.kind === 'sample') this.#samples.push(answer);
    else this.#sum = this.#sum === undefined ? copied(answer) : this.#merged(this.#sum, answer);
  }

  result(): StepAnswer {
    const whole = this.#step.kind === 'sample' ? joinSamples(this.#samples) : this.#sum;
    assert(whole !== undefined, 'a fit has ranges');
    return whole;
  }

  #merged(sum: StepAnswer, answer: StepAnswer): StepAnswer {
    if (sum.kind === 'moments' && answer.kind === 'moments') return mergeMoments(sum, answer);
    if (sum.kind === 'draw' && answer.kind === 'draw') return this.#lowest(sum, answer);
    if (sum.kind === 'farthest' && answer.kind === 'farthest') return this.#most(sum, answer);
    for (const [name, column] of Object.entries(sum)) {
      if (!(column instanceof Float64Array)) continue;
      const more = (answer as unknown as Record<string, Float64Array>)[name]!;
      for (let i = 0; i < column.length; i++) column[i]! += more[i]!;
    }
    return sum;
  }

  #lowest(sum: AnswerTo<'draw'>, more: AnswerTo<'draw'>): AnswerTo<'draw'> {
    const size = this.#step.kind === 'draw' ? this.#step.size : 0;
    return { kind: 'draw', ...this.#first(sum.ranks, sum.points, more.ranks, more.points, size) };
  }

  #most(sum: AnswerTo<'farthest'>, more: AnswerTo<'farthest'>): AnswerTo<'farthest'> {
    const size = this.#step.kind === 'farthest' ? this.#step.size : 0;
    const [a, b] = [sum.shares.map((share) => -share), more.shares.map((share) => -share)];
    const { ranks, points } = this.#first(a, sum.points, b, more.points, size);
    return { kind: 'farthest', shares: ranks.map((rank) => -rank), points };
  }

  #first(
    ranks: Float64Array,
    points: Float32Array,
    moreRanks: Float64Array,
    morePoints: Float32Array,
    size: number,
  ) {
    const dims = this.#dims;
    const best: { rank: number; point: Float32Array }[] = [];
    for (const [from, rows] of [
      [ranks, points],
      [moreRanks, morePoints],
    ] as const) {
      for (const [i, rank] of from.entries()) {
        const point = rows.subarray(i * dims, (i + 1) * dims);
        if (best.some((other) => other.rank === rank && sameRow(other.point, point))) continue;
        insertSorted(best, { rank, point }, size);
      }
    }
    const out = new Float32Array(best.length * dims);
    for (const [i, { point }] of best.entries()) out.set(point, i * dims);
    return { ranks: Float64Array.from(best, ({ rank }) => rank), points: out };
  }
}

function copied<T extends StepAnswer>(answer: T): T {
  return Object.fromEntries(
    Object.entries(answer).map(([name, value]) => [
      name,
      value instanceof Float64Array || value instanceof Float32Array ? value.slice() : value,
    ]),
  ) as T;
}

function joinSamples(samples: readonly AnswerTo<'sample'>[]): AnswerTo<'sample'> {
  const join = (columns: readonly Float32Array[]): Float32Array => {
    const whole = new Float32Array(columns.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const column of columns) {
      whole.set(column, at);
      at += column.length;
    }
    return whole;
  };
  return {
    kind: 'sample',
    points: join(samples.map(({ points }) => points)),
    weights: join(samples.map(({ weights }) => weights)),
  };
}
