// Threads that do a pass together: the calling thread and its workers take parts, one ticket each, until none is left. The
// caller blocks until the pass is done, so that a fit is a plain function; a worker that is late finds no ticket of its pass.
//
//   control: [tickets end, next ticket, parts done, task, state of the team]
//
// Tickets count on over all passes. The caller writes everything a pass needs, then raises `end`; a worker that sees an old
// `end` finds `next` at or past it. Who computes a part changes nothing in it.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { PartWorker, type PassTask } from './fit-pass.ts';
import type { FitState } from './fit-state.ts';
import type { Kernels } from './kernels/kernels.ts';
import { openBlocks, type PointSource } from './point-blocks.ts';

const slots = { end: 0, next: 1, done: 2, task: 3, stopped: 4, failed: 5 } as const;
const tasks: readonly PassTask[] = ['begin', 'update', 'finish'];
const messageBytesMax = 4096;

/** What a worker thread is started with. */
export interface TeamMember {
  readonly control: Int32Array;
  readonly message: Uint8Array;
  readonly state: FitState;
  readonly source: PointSource;
  /** Of the kernels to use. */
  readonly layout: string;
  readonly chunkRows: number;
}

/** Beside this module where it is built; sources run in one thread. */
const workerPath = fileURLToPath(new URL('./full-batch-worker.js', import.meta.url));

export function threadsAvailable(): boolean {
  return existsSync(workerPath);
}

export class ThreadTeam {
  readonly #member: TeamMember;
  readonly #parts: PartWorker;
  readonly #count: number;

  /** @param threads the calling one included; the source and the state are shared when there are several. */
  constructor(
    state: FitState,
    source: PointSource,
    kernels: Kernels,
    { threads, chunkRows }: { threads: number; chunkRows: number },
  ) {
    const control = new Int32Array(new SharedArrayBuffer(Object.keys(slots).length * 4));
    const message = new Uint8Array(new SharedArrayBuffer(messageBytesMax));
    const { layout } = kernels;
    this.#member = { control, message, state, source, layout, chunkRows };
    this.#parts = new PartWorker(state, openBlocks(source), kernels, chunkRows);
    this.#count = state.parts;
    for (let thread = 1; thread < threads; thread++) this.#start();
  }

  run(task: PassTask): void {
    const { control } = this.#member;
    const end = Atomics.load(control, slots.end) + this.#count;
    control[slots.task] = tasks.indexOf(task);
    Atomics.store(control, slots.end, end);
    Atomics.notify(control, slots.end);
    takeParts(this.#member, this.#parts, end);
    for (let done = Atomics.load(control, slots.done); done !== end; ) {
      Atomics.wait(control, slots.done, done);
      done = Atomics.load(control, slots.done);
    }
    if (Atomics.load(control, slots.failed) === 1) throw new Error(this.#failure());
  }

  stop(): void {
    const { control } = this.#member;
    Atomics.store(control, slots.stopped, 1);
    Atomics.add(control, slots.end, this.#count);
    Atomics.notify(control, slots.end);
  }

  #start(): void {
    const worker = new Worker(workerPath, { workerData: this.#member });
    // What happens in a part is reported through the message; a worker that cannot start leaves its parts to the others.
    worker.on('error', () => {});
    worker.unref();
  }

  #failure(): string {
    const bytes = Uint8Array.from(this.#member.message);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }
}

/** The life of a worker thread: a pass after the other until the team is stopped. */
export function serve(member: TeamMember, kernels: Kernels): void {
  const { control, message, state, source, chunkRows } = member;
  const parts = new PartWorker(state, openBlocks(source), kernels, chunkRows);
  for (let seen = 0; ; ) {
    Atomics.wait(control, slots.end, seen);
    seen = Atomics.load(control, slots.end);
    if (Atomics.load(control, slots.stopped) === 1) return;
    try {
      takeParts(member, parts, seen);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      message.set(new TextEncoder().encode(text).subarray(0, messageBytesMax - 1));
      Atomics.store(control, slots.failed, 1);
      finishPart(control);
    }
  }
}

/** Works until the pass that ends before ticket `end` has no part left. */
function takeParts({ control, state }: TeamMember, worker: PartWorker, end: number): void {
  let prepared = false;
  for (;;) {
    const ticket = Atomics.load(control, slots.next);
    if (ticket >= end) return;
    if (Atomics.compareExchange(control, slots.next, ticket, ticket + 1) !== ticket) continue;
    if (!prepared) worker.prepare();
    prepared = true;
    worker.work(tasks[control[slots.task]!]!, ticket - (end - state.parts));
    finishPart(control);
  }
}

function finishPart(control: Int32Array): void {
  Atomics.add(control, slots.done, 1);
  Atomics.notify(control, slots.done);
}
