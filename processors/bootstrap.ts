// What the owner does as long as there is no model: gathers the samples that tasks send ahead of it, and fits the first model.
//
//   gather   in the order of the log, in the task's store (sample-buffer.ts)
//   fit      once there are enough rows, or after enough time, k distinct points in either case. A fit that takes long has a
//            thread of its own; what comes meanwhile waits in the log, so that it learns from the same samples
//   drop     what another model makes needless, before the fit or over it

import {
  BootstrapThread,
  bootstrapModel,
  chooseKernels,
  type FirstModel,
  threadsAvailable,
} from '../clustering/index.ts';
import type { BootstrapSample } from '../schemas/index.ts';
import type { KeyValueStore } from '../state-stores/index.ts';
import type { Logger } from '../support/index.ts';
import { distinctPoints, firstProblem, type SeedOptions } from './owner-steps.ts';
import { SampleBuffer } from './sample-buffer.ts';

export interface BootstrapOptions extends SeedOptions {
  /** 0: the first sample decides. */
  readonly dimensions: number;
  readonly bootstrapRows: number;
  readonly bootstrapWaitMs: number;
}

/** Rows × clusters × features of a first model that is fitted where it stands: half a second. */
const fitHereMax = 8e6;

export class Bootstrap {
  readonly samples: SampleBuffer;
  readonly #options: BootstrapOptions;
  #firstSampleAtMs = -1;
  /** Rows at the last attempt to fit that found too few distinct points. */
  #triedRows = -1;
  #thread: BootstrapThread | undefined;

  private constructor(samples: SampleBuffer, options: BootstrapOptions) {
    this.samples = samples;
    this.#options = options;
  }

  static async load(store: KeyValueStore, options: BootstrapOptions): Promise<Bootstrap> {
    return new Bootstrap(await SampleBuffer.load(store), options);
  }

  /** While a fit is under way no sample may be added. */
  get isFitting(): boolean {
    return this.#thread !== undefined;
  }

  add(sample: BootstrapSample): void {
    this.samples.add(sample, this.#options);
  }

  /** The first model, once there are enough rows and it is fitted to them: ask again and again. */
  modelWhenFull(logger: Logger): FirstModel | undefined {
    return this.#isFull ? this.#model(logger) : undefined;
  }

  /** The same, but enough time will do as well. */
  modelAfterWaiting(nowMs: number, logger: Logger): FirstModel | undefined {
    if (this.samples.rows === 0) return undefined;
    if (this.#firstSampleAtMs < 0) this.#firstSampleAtMs = nowMs;
    const hasWaited = nowMs - this.#firstSampleAtMs >= this.#options.bootstrapWaitMs;
    return hasWaited || this.#isFull ? this.#model(logger) : undefined;
  }

  drop(): void {
    this.close();
    this.samples.clear();
  }

  /** A fit that is under way ends; the samples stay. */
  close(): void {
    void this.#thread?.close();
    this.#thread = undefined;
  }

  get #isFull(): boolean {
    return this.samples.rows >= this.#options.bootstrapRows;
  }

  #model(logger: Logger): FirstModel | undefined {
    if (this.#thread !== undefined) return this.#thread.model;
    const { k } = this.#options;
    const { rows } = this.samples;
    if (rows === this.#triedRows) return undefined;
    this.#triedRows = rows;
    const problem = firstProblem(this.samples, this.#options);
    const distinct = distinctPoints(problem);
    if (distinct < k) {
      const text = `waiting for ${k} distinct points to seed ${k} clusters; ${distinct} so far`;
      logger.info({ rows, distinct, k }, text);
      return undefined;
    }
    if (rows * k * problem.dims <= fitHereMax || !threadsAvailable()) {
      return bootstrapModel({ ...problem, kernels: chooseKernels().kernels });
    }
    logger.info({ rows, k }, `the first model is being fitted to ${rows} points`);
    this.#thread = new BootstrapThread(problem);
    return undefined;
  }
}
