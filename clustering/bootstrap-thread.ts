// The first model of a stream (bootstrap.ts), fitted in a thread of its own: with many points, clusters and features that takes a
// minute, and who asks for it has other tasks beside it and a session to keep. The same bits as in the calling thread.

import { Worker } from 'node:worker_threads';
import { RetriableError } from '../support/index.ts';
import type { BootstrapOptions, FirstModel } from './bootstrap.ts';

/** What is copied to the thread, which chooses its own kernels. */
export type BootstrapProblem = Omit<BootstrapOptions, 'kernels'>;

export class BootstrapThread {
  readonly #thread: Worker;
  #model: FirstModel | undefined;
  #fault: Error | undefined;

  constructor(problem: BootstrapProblem) {
    const url = new URL('./bootstrap-worker.js', import.meta.url);
    this.#thread = new Worker(url, { workerData: problem });
    this.#thread.on('message', (model: FirstModel) => {
      this.#model = model;
    });
    this.#thread.on('error', (cause) => this.#fail(`failed: ${String(cause)}`, cause));
    this.#thread.on('exit', (code) => this.#fail(`ended with ${code}`));
  }

  /** Undefined while it is being fitted. @throws RetriableError when the thread has ended without it */
  get model(): FirstModel | undefined {
    if (this.#model === undefined && this.#fault !== undefined) throw this.#fault;
    return this.#model;
  }

  /** What is under way is dropped. */
  async close(): Promise<void> {
    await this.#thread.terminate();
  }

  #fail(what: string, cause?: unknown): void {
    const message = `The thread that fits the first model ${what}; it is begun again.`;
    this.#fault ??= new RetriableError(message, { cause });
  }
}
