// scikit-learn's and FAISS's full-batch k-means, in a Python process that has the same bytes and begins at the same seeds.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from './paths.ts';
import type { Sample } from './timing.ts';

export interface FitSample extends Sample {
  readonly inertia: number;
  readonly iterations: number;
}

export interface FitProblem {
  readonly n: number;
  readonly dims: number;
  readonly k: number;
  /** n × dims, and k × dims. */
  readonly values: Float32Array;
  readonly seeds: Float32Array;
  readonly threads: number;
  readonly iterationsMax: number;
}

const python = join(packageRoot, 'bench', '.venv', 'bin', 'python');
const script = join(packageRoot, 'bench', 'peers', 'full_batch.py');

export class FullBatchPeers {
  readonly #child: ChildProcess | undefined;
  readonly #lines: AsyncIterator<string> | undefined;
  /** What there is: how to call it, and how it calls itself. */
  names: Record<string, string> = {};

  private constructor(child: ChildProcess | undefined) {
    this.#child = child;
    this.#lines = child && createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  static async start(folder: string, problem: FitProblem): Promise<FullBatchPeers> {
    if (!existsSync(python)) return new FullBatchPeers(undefined);
    const { n, dims, k, threads, iterationsMax, values, seeds } = problem;
    writeFileSync(join(folder, 'points.f32'), values);
    writeFileSync(join(folder, 'seeds.f32'), seeds);
    const numbers = [n, dims, k, threads, iterationsMax].map(String);
    const child = spawn(python, [script, folder, ...numbers], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const peers = new FullBatchPeers(child);
    peers.names = await peers.#answer();
    return peers;
  }

  /** @param iterations for a peer that has no tolerance to stop by. */
  run(task: string, iterations: number): Promise<FitSample> {
    this.#child!.stdin!.write(`${task} ${iterations}\n`);
    return this.#answer();
  }

  async stop(): Promise<void> {
    if (this.#child === undefined || this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin!.end();
    await ended;
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#lines!.next();
    if (done === true) throw new Error('The Python peers have ended; their message is above.');
    return JSON.parse(value) as T;
  }
}
