// The threads of `meanstream processor` (num.stream.threads above 1), as one: their status merged, their metrics added up.
// The main thread only answers probes, so a busy task holds up neither them nor another thread's heartbeats.
//
// A thread that ends unasked is replaced, under the same name: it gets its tasks back. One that ends again within
// `patienceMs` ends the process, as does one that cannot start: then the fault is not the thread's.

import { Worker } from 'node:worker_threads';
import type { LoadedSettings } from '../config/index.ts';
import type { RuntimeStatus } from '../runtime/index.ts';
import {
  type Clock,
  FatalError,
  MeanstreamError,
  type MetricValues,
  mergedMetrics,
} from '../support/index.ts';
import type { CommandContext } from './command-context.ts';
import type { ThreadData, ThreadOrder, ThreadReport } from './processor-thread.ts';

const patienceMs = 60_000;
const metricsWaitMs = 2_000;
/** A thread that has said nothing for this long is held up: by a loop, or by the machine. */
const silenceMsMax = 10_000;

interface Thread {
  readonly name: string;
  readonly settings: LoadedSettings;
  worker: Worker;
  startedMs: number;
  heardMs: number;
  replaced: number;
  status: RuntimeStatus | undefined;
  metrics: MetricValues;
  metricsArrived: () => void;
  ended: Promise<void>;
  readonly ran: Promise<void>;
  readonly runs: () => void;
}

export class ProcessorThreads {
  /** Resolves when every thread has joined the group. */
  readonly started: Promise<void>;
  readonly #context: CommandContext;
  readonly #threads: Thread[];
  readonly #failed: (error: Error) => void;
  #stopping = false;

  /** `onFailed` is told once why the process has to end. */
  constructor(context: CommandContext, onFailed: (error: Error) => void) {
    this.#context = context;
    this.#failed = onFailed;
    const count = context.settings['num.stream.threads'];
    this.#threads = Array.from({ length: count }, (_, at) => this.#start(at + 1));
    this.started = Promise.all(this.#threads.map((thread) => thread.ran)).then(() => {});
  }

  /** Of all threads; ready when every one is. */
  status(): RuntimeStatus {
    const statuses = this.#threads.map((thread) => statusOf(thread, this.#context.clock));
    const worst = statuses.find(({ state }) => state !== 'RUNNING') ?? statuses[0]!;
    return {
      state: worst.state,
      ready: statuses.every(({ ready }) => ready),
      reasons: statuses.flatMap(({ reasons }, at) =>
        reasons.map((reason) => `Thread ${this.#threads[at]!.name}: ${reason}`),
      ),
      tasks: statuses.flatMap(({ tasks }) => tasks),
      replicas: statuses.flatMap(({ replicas }) => replicas),
      live: statuses.every(({ live }) => live),
    };
  }

  /** With `own`, those of the main thread. A thread that is held up is in it as it was heard of last. */
  async metrics(own: MetricValues): Promise<string> {
    await Promise.all(
      this.#threads.map(async (thread) => {
        const arrived = new Promise<void>((resolve) => {
          thread.metricsArrived = resolve;
        });
        order(thread, 'metrics');
        const inTime = new AbortController();
        const late = this.#context.clock.sleep(metricsWaitMs, inTime.signal);
        await Promise.race([arrived.finally(() => inTime.abort()), late]);
      }),
    );
    return mergedMetrics([own, ...this.#threads.map(({ metrics }) => metrics)]);
  }

  /** Every thread commits what it has in hand and leaves the group. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const thread of this.#threads) order(thread, 'stop');
    await Promise.all(this.#threads.map(({ ended }) => ended));
  }

  #start(number: number): Thread {
    const { loaded, clock } = this.#context;
    const name = `${loaded.values['group.instance.id']}-${number}`;
    const settings: LoadedSettings = {
      ...loaded,
      values: { ...loaded.values, 'group.instance.id': name },
    };
    const nowMs = clock.monotonicMs();
    let runs = () => {};
    const ran = new Promise<void>((resolve) => {
      runs = resolve;
    });
    const thread: Thread = {
      ...{ ran, runs: () => runs() },
      ...{ name, settings, startedMs: nowMs, heardMs: nowMs, replaced: 0 },
      ...{ status: undefined, metrics: [], metricsArrived: () => {} },
      worker: this.#worker(settings),
      ended: Promise.resolve(),
    };
    this.#attend(thread);
    return thread;
  }

  #worker(settings: LoadedSettings): Worker {
    const processId = this.#context.settings['group.instance.id'];
    const workerData: ThreadData = { loaded: settings, processId };
    return new Worker(new URL('./processor-thread.js', import.meta.url), { workerData });
  }

  #attend(thread: Thread): void {
    const { worker } = thread;
    let fault: Error | undefined;
    worker.on('message', (message: ThreadReport) => {
      thread.heardMs = this.#context.clock.monotonicMs();
      if ('status' in message) {
        thread.status = message.status;
        if (message.status.state === 'RUNNING') thread.runs();
      } else if ('metrics' in message) {
        thread.metrics = message.metrics;
        thread.metricsArrived();
      } else if ('failed' in message) {
        fault = new MeanstreamError(message.failed.code, message.failed.message, {});
      }
    });
    worker.on('error', (error) => {
      fault = error;
    });
    thread.ended = new Promise((resolve) => {
      worker.on('exit', () => {
        if (!this.#stopping) this.#replace(thread, fault);
        resolve();
      });
    });
  }

  #replace(thread: Thread, fault: Error | undefined): void {
    const { clock, logger } = this.#context;
    const { name } = thread;
    const neverRan = thread.status === undefined && thread.replaced === 0;
    if (neverRan && fault instanceof MeanstreamError) {
      this.#failed(fault);
      return;
    }
    const ranMs = Math.round(clock.monotonicMs() - thread.startedMs);
    if (neverRan || (thread.replaced > 0 && ranMs < patienceMs)) {
      const message = `Thread ${name} ended after ${ranMs} ms, ${neverRan ? 'before it ran' : 'again'}: the process ends with it.`;
      this.#failed(new FatalError(message, { cause: fault, thread: name }));
      return;
    }
    logger.error({ thread: name, err: fault }, `thread ${name} has ended; another takes its place`);
    thread.replaced += 1;
    thread.status = undefined;
    thread.startedMs = clock.monotonicMs();
    thread.heardMs = thread.startedMs;
    thread.worker = this.#worker(thread.settings);
    this.#attend(thread);
  }
}

function order({ worker }: Thread, message: ThreadOrder): void {
  worker.postMessage(message);
}

function statusOf({ status, heardMs }: Thread, clock: Clock): RuntimeStatus {
  const silentMs = clock.monotonicMs() - heardMs;
  if (status === undefined) {
    const reasons = ['It is starting.'];
    return { state: 'STARTING', ready: false, reasons, tasks: [], replicas: [], live: true };
  }
  if (silentMs < silenceMsMax) return status;
  const silent = `It has said nothing for ${Math.round(silentMs / 1_000)} s.`;
  return {
    ...status,
    ready: false,
    reasons: [...status.reasons, silent],
    live: status.live && silentMs < patienceMs,
  };
}
