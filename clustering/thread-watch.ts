// The thread of thread-team.ts that sees when another one of the team dies: until all of them have ended.

import { type MessagePort, parentPort } from 'node:worker_threads';
import { failures, slots } from './thread-control.ts';

/** What it is sent: the control of the team, and the other ends of its workers' ports. */
export interface TeamWatch {
  readonly control: Int32Array;
  readonly lives: readonly MessagePort[];
}

// Not the data it starts with: a port of a worker that is dead by then would close before anyone listens.
parentPort!.once('message', ({ control, lives }: TeamWatch) => {
  for (const [worker, life] of lives.entries()) {
    life.on('close', () => {
      if (Atomics.load(control, slots.working + worker) === 0) return;
      Atomics.store(control, slots.failed, failures.lost);
    });
    life.ref();
  }
});
