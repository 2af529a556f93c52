// The workers of the `retrain` bench, started and told what to do: threads or processes (retrain-worker.ts).

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BenchWorkerData, BenchWorkerReply, BenchWorkerRequest } from './retrain-worker.ts';

const program = join(import.meta.dirname, 'retrain-worker.js');

export interface FleetOptions extends Omit<BenchWorkerData, 'workerId'> {
  readonly workers: number;
  readonly as: 'threads' | 'processes';
}

export class Fleet {
  readonly #members: readonly (Worker | ChildProcess)[];

  private constructor(members: readonly (Worker | ChildProcess)[]) {
    this.#members = members;
  }

  /** All of them are connected, and wait for a job, or begin with the one under way. */
  static async start({ workers, as, ...shared }: FleetOptions): Promise<Fleet> {
    const members = Array.from({ length: workers }, (_, i) => {
      const data: BenchWorkerData = { ...shared, workerId: `w${i}` };
      if (as === 'threads') return new Worker(program, { workerData: data });
      return fork(program, [JSON.stringify(data)]);
    });
    await Promise.all(members.map((member) => reply(member, 'ready')));
    return new Fleet(members);
  }

  /** All at once read what they have on disk, and do nothing else. @returns seconds until the last has */
  async read(): Promise<number> {
    const startedMs = performance.now();
    await Promise.all(this.#members.map((member) => ask(member, 'read')));
    return (performance.now() - startedMs) / 1_000;
  }

  /** Of the last worker, which is a process. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    (this.#members.at(-1) as ChildProcess).kill(signal);
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#members.map(async (member) => {
        const ended = once(member, 'exit');
        tell(member, 'stop');
        await ended;
      }),
    );
  }
}

function tell(member: Worker | ChildProcess, request: BenchWorkerRequest): void {
  if (member instanceof Worker) member.postMessage(request);
  else member.send(request);
}

async function ask(member: Worker | ChildProcess, request: 'read'): Promise<void> {
  const answered = reply(member, request);
  tell(member, request);
  await answered;
}

async function reply(member: Worker | ChildProcess, wanted: BenchWorkerReply): Promise<void> {
  const ended = once(member, 'exit').then(() => {
    throw new Error('A worker has ended; its message is above.');
  });
  const [said] = (await Promise.race([once(member, 'message'), ended])) as [BenchWorkerReply];
  if (said !== wanted) throw new Error(`A worker said "${said}" where it should say "${wanted}".`);
}
