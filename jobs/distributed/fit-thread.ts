// The steps of a fit (clustering/ranges/range-fit.ts) in a thread of their own. Between two of them lies the fit on the sample, up to
// a minute of arithmetic for many clusters of many features; who coordinates a job is a member of a group meanwhile, and is heard of.

import { Worker } from 'node:worker_threads';
import type {
  RangeFit,
  RangeFitProblem,
  RangeIteration,
  Step,
  StepAnswer,
} from '../../clustering/index.ts';
import { MeanstreamError } from '../../support/index.ts';

/** What a coordinator runs: a generator of steps, or one that is elsewhere. */
export interface FitSteps<Result> {
  next(answer?: StepAnswer): IteratorResult<Step, Result> | Promise<IteratorResult<Step, Result>>;
  close?(): Promise<void>;
}

export type FitThreadMessage =
  | { readonly type: 'iteration'; readonly report: RangeIteration }
  | { readonly type: 'next'; readonly next: IteratorResult<Step, RangeFit> }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };

interface Asked {
  readonly resolve: (next: IteratorResult<Step, RangeFit>) => void;
  readonly reject: (error: Error) => void;
}

export class FitThread implements FitSteps<RangeFit> {
  readonly #thread: Worker;
  #asked: Asked | undefined;
  #fault: Error | undefined;

  constructor(problem: RangeFitProblem, onIteration: (report: RangeIteration) => void) {
    const url = new URL('./fit-thread-worker.js', import.meta.url);
    this.#thread = new Worker(url, { workerData: problem });
    this.#thread.on('message', (message: FitThreadMessage) => {
      if (message.type === 'iteration') onIteration(message.report);
      else if (message.type === 'next') this.#asked?.resolve(message.next);
      else this.#fail(new MeanstreamError(message.code, message.message));
    });
    this.#thread.on('error', (error) => this.#fail(error as Error));
    this.#thread.on('exit', (code) => {
      this.#fail(new Error(`The fit's thread ended with ${code}.`));
    });
  }

  /** @throws MEANSTREAM_TOO_FEW_DISTINCT_POINTS */
  next(answer?: StepAnswer): Promise<IteratorResult<Step, RangeFit>> {
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
      if (this.#fault === undefined) this.#thread.postMessage(answer);
      else reject(this.#fault);
    });
  }

  /** What is under way is dropped. */
  async close(): Promise<void> {
    await this.#thread.terminate();
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    this.#asked?.reject(this.#fault);
  }
}
