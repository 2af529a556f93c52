// Threads that do a pass together: the calling thread and its workers take parts, one ticket each, until none is left. The
// caller blocks until the pass is done, so that a fit is a plain function; a worker that is late finds no ticket of its pass.
//
// Tickets count on over all passes. The caller writes everything a pass needs, then raises `end`; a worker that sees an old
// `end` finds `next` at or past it. Who computes a part changes nothing in it.
//
// A blocked caller hears of no event, so where it waits for long one more thread (thread-watch.ts) watches for workers that die.
// Where one was at work, a part may be half done, and the fit ends in an error; one that was not is missed by nobody.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { RetriableError } from '../support/index.ts';
import { PartWorker, type PassTask } from './fit-pass.ts';
import type { FitState } from './fit-state.ts';
import type { Kernels } from './kernels/kernels.ts';
import { openBlocks, type PointSource } from './point-blocks.ts';
import { failures, slots } from './thread-control.ts';
import type { TeamWatch } from './thread-watch.ts';

/** After so long a caller that waits has the workers watched, and so often it looks for a failure. */
const lookMs = 100;
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
  /** 0 for the first thread beside the calling one. */
  readonly worker: number;
  /** Closes when the thread ends; held and nothing else. */
  readonly life: MessagePort;
}

/** Beside this module where they are built; sources run in one thread. */
const workerPath = fileURLToPath(new URL('./full-batch-worker.js', import.meta.url));
const watchPath = fileURLToPath(new URL('./thread-watch.js', import.meta.url));

export function threadsAvailable(): boolean {
  return existsSync(workerPath);
}

export class ThreadTeam {
  readonly #member: Omit<TeamMember, 'worker' | 'life'>;
  readonly #parts: PartWorker;
  readonly #count: number;
  /** Of the workers, until they are watched. */
  readonly #lives: MessagePort[];

  /** @param threads the calling one included; the source and the state are shared when there are several. */
  constructor(
    state: FitState,
    source: PointSource,
    kernels: Kernels,
    { threads, chunkRows }: { threads: number; chunkRows: number },
  ) {
    const control = new Int32Array(new SharedArrayBuffer((slots.working + threads - 1) * 4));
    const message = new Uint8Array(new SharedArrayBuffer(messageBytesMax));
    const { layout } = kernels;
    this.#member = { control, message, state, source, layout, chunkRows };
    this.#parts = new PartWorker(state, openBlocks(source), kernels, chunkRows);
    this.#count = state.parts;
    this.#lives = Array.from({ length: threads - 1 }, (_, worker) => this.#start(worker));
  }

  run(task: PassTask): void {
    const { control } = this.#member;
    const end = Atomics.load(control, slots.end) + this.#count;
    control[slots.task] = tasks.indexOf(task);
    Atomics.store(control, slots.end, end);
    Atomics.notify(control, slots.end);
    takeParts(this.#member, this.#parts, end);
    for (let done = Atomics.load(control, slots.done); done !== end; ) {
      if (Atomics.load(control, slots.failed) === failures.lost) throw lostThread();
      if (Atomics.wait(control, slots.done, done, lookMs) === 'timed-out') this.#watch();
      done = Atomics.load(control, slots.done);
    }
    if (Atomics.load(control, slots.failed) === failures.thrown) throw new Error(this.#failure());
  }

  stop(): void {
    const { control } = this.#member;
    Atomics.store(control, slots.stopped, 1);
    Atomics.add(control, slots.end, this.#count);
    Atomics.notify(control, slots.end);
  }

  /** @returns what closes when the thread ends */
  #start(worker: number): MessagePort {
    const { port1, port2 } = new MessageChannel();
    start(workerPath, { ...this.#member, worker, life: port1 }, port1);
    return port2;
  }

  #watch(): void {
    const { control } = this.#member;
    const lives = this.#lives.splice(0);
    if (lives.length === 0) return;
    start(watchPath).postMessage({ control, lives } satisfies TeamWatch, lives);
  }

  #failure(): string {
    const bytes = Uint8Array.from(this.#member.message);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }
}

function start(path: string, workerData?: TeamMember, ...transferList: MessagePort[]): Worker {
  const worker = new Worker(path, { workerData, transferList });
  // What happens in a part is reported through the message; a worker that cannot start leaves its parts to the others.
  worker.on('error', () => {});
  worker.unref();
  return worker;
}

function lostThread(): RetriableError {
  return new RetriableError(
    'A thread of the fit ended while it worked on a part of the points, and what it did is lost; start the fit again, with more memory if that is what it lacked.',
  );
}

/** The life of a worker thread: a pass after the other until the team is stopped. */
export function serve(member: TeamMember, kernels: Kernels): void {
  const { control, message, state, source, chunkRows, worker } = member;
  const parts = new PartWorker(state, openBlocks(source), kernels, chunkRows);
  for (let seen = 0; ; Atomics.store(control, slots.working + worker, 0)) {
    Atomics.wait(control, slots.end, seen);
    seen = Atomics.load(control, slots.end);
    if (Atomics.load(control, slots.stopped) === 1) return;
    Atomics.store(control, slots.working + worker, 1);
    try {
      takeParts(member, parts, seen);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      message.set(new TextEncoder().encode(text).subarray(0, messageBytesMax - 1));
      Atomics.store(control, slots.failed, failures.thrown);
      finishPart(control);
    }
  }
}

/** Works until the pass that ends before ticket `end` has no part left. */
function takeParts(
  { control, state }: Pick<TeamMember, 'control' | 'state'>,
  worker: PartWorker,
  end: number,
): void {
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
