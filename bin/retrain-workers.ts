// The retrain workers of this process, each in a thread of its own: a busy one holds up neither the others nor the coordinator.

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { SettingValues } from '../config/index.ts';
import { MeanstreamError } from '../support/index.ts';
import type { CommandContext } from './command-context.ts';
import type { RetrainThreadData, RetrainThreadReport } from './retrain-worker-thread.ts';

export class RetrainWorkers {
  /** Rejects when one cannot go on. */
  readonly failed: Promise<never>;
  /** When all have ended in order: after one job, if that was wanted. */
  readonly ended: Promise<void>;
  readonly #threads: Worker[] = [];
  readonly #ended: Promise<void>[] = [];
  #stopping = false;

  private constructor(context: CommandContext, count: number, once: boolean) {
    let fail: (error: Error) => void = () => {};
    this.failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    this.failed.catch(() => {});
    const startedMs = context.clock.nowMs().toString(36);
    for (let number = 1; number <= count; number++) {
      const workerId = `${prefix(context.settings)}${process.pid}-${startedMs}-${number}`;
      this.#start(context, { workerId, once }, fail);
    }
    this.ended = Promise.all(this.#ended).then(() => {});
  }

  /** After what dead processes of this name have left on disk is gone. */
  static async start(
    context: CommandContext,
    count: number,
    once = false,
  ): Promise<RetrainWorkers> {
    await sweep(context.settings);
    return new RetrainWorkers(context, count, once);
  }

  /** Their segments are gone then. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const thread of this.#threads) thread.postMessage('stop');
    await Promise.race([this.ended, this.failed]).catch(() => {});
  }

  #start(
    { command, loaded }: CommandContext,
    own: { readonly workerId: string; readonly once: boolean },
    fail: (error: Error) => void,
  ): void {
    const data: RetrainThreadData = { command, loaded, ...own };
    const url = new URL('./retrain-worker-thread.js', import.meta.url);
    const thread = new Worker(url, { workerData: data });
    let fault: Error | undefined;
    thread.on('message', (message: RetrainThreadReport) => {
      if ('failed' in message)
        fault = new MeanstreamError(message.failed.code, message.failed.message);
    });
    thread.on('error', (error) => {
      fault = error instanceof Error ? error : new Error(String(error));
    });
    this.#threads.push(thread);
    const ended = new Promise<void>((resolve) => {
      thread.on('exit', () => {
        const isInOrder = this.#stopping || (own.once && fault === undefined);
        if (!isInOrder) fail(fault ?? new Error(`Retrain worker ${own.workerId} has ended.`));
        else resolve();
      });
    });
    this.#ended.push(ended);
  }
}

function prefix(settings: SettingValues): string {
  return `${settings['group.instance.id']}-`;
}

/** Removes the segments of processes that were killed: of this instance, and no process of their number lives. */
async function sweep(settings: SettingValues): Promise<void> {
  const folder = settings['retrain.dir'];
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(prefix(settings))) continue;
    const pid = Number(/^(\d+)-/.exec(name.slice(prefix(settings).length))?.[1]);
    if (!(pid > 0) || (pid !== process.pid && isAlive(pid))) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
