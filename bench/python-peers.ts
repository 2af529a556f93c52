// scikit-learn and FAISS, in a Python process that holds the points and does one task at a time when told to.
// bench/peers/install.sh makes its environment; without it the benches measure ours alone and say so.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from './paths.ts';
import type { PointSet } from './points.ts';
import type { Sample } from './timing.ts';

export type PeerTask = 'sklearn-predict' | 'faiss-search' | 'sklearn-partial-fit';

interface Answer extends Sample {
  /** Rows to which the peer gave another cluster than we did. */
  readonly disagreeing: number;
}

/** Equal distances may round either way; more than this is another answer, and its time says nothing. */
const disagreeingShareMax = 0.001;

const python = join(packageRoot, 'bench', '.venv', 'bin', 'python');
const script = join(packageRoot, 'bench', 'peers', 'peers.py');

export class PythonPeers {
  readonly #child: ChildProcess | undefined;
  readonly #lines: AsyncIterator<string> | undefined;
  readonly #n: number;
  #names: Partial<Record<PeerTask, string>> = {};

  private constructor(n: number, child: ChildProcess | undefined) {
    this.#n = n;
    this.#child = child;
    this.#lines = child && createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  /** @param labels our answers, to compare with. */
  static async start(folder: string, points: PointSet, labels: Int32Array): Promise<PythonPeers> {
    const { n, dims, k, values, centres } = points;
    if (!existsSync(python)) return new PythonPeers(n, undefined);
    writeFileSync(join(folder, 'points.f32'), values);
    writeFileSync(join(folder, 'centres.f32'), Float32Array.from(centres));
    writeFileSync(join(folder, 'labels.i32'), labels);
    const child = spawn(python, [script, folder, `${n}`, `${dims}`, `${k}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const peers = new PythonPeers(n, child);
    peers.#names = await peers.#answer();
    return peers;
  }

  has(task: PeerTask): boolean {
    return this.#names[task] !== undefined;
  }

  nameOf(task: PeerTask): string {
    return this.#names[task] ?? 'missing: run bench/peers/install.sh';
  }

  async run(task: PeerTask): Promise<Sample> {
    this.#child!.stdin!.write(`${task}\n`);
    const { disagreeing, ...sample } = await this.#answer<Answer>();
    if (disagreeing <= Math.max(1, this.#n * disagreeingShareMax)) return sample;
    throw new Error(`${task} gave ${disagreeing} of ${this.#n} points another cluster than ours.`);
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
