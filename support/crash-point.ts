// Named places where a process may be told to die, so that a test can kill it exactly there. Nothing is armed unless
// MEANSTREAM_TEST_CRASH_POINT asks for it when the process starts (config/crash-point.ts); then the n-th arrival at that
// place is the end, as by `kill -9`. The places are passed once a batch, a commit or a rebalance, never once a record.

export const crashPointNames = [
  /** A batch was read, and nothing done with it. */
  'fetched',
  /** Kafka has acknowledged records of a transaction that goes on; only large ones send any ahead. */
  'sent-ahead',
  /** Kafka has acknowledged the records of a transaction. */
  'produced',
  /** Kafka has taken the input offsets of a transaction. */
  'offsets-sent',
  /** EndTxn is with the operating system, and not answered. */
  'end-sent',
  /** A transaction is committed, and the stores do not have it. */
  'committed',
  /** A store is being written. */
  'storing',
  /** A batch of a changelog is being written to its store. */
  'restoring',
  /** The tasks that are no longer ours are being stopped, the new ones are not begun. */
  'rebalancing',
] as const;

export type CrashPointName = (typeof crashPointNames)[number];

export interface CrashPoint {
  readonly name: CrashPointName;
  /** The arrival that is the last one, from 1. */
  readonly arrival: number;
}

/** One process dies once: this is the process's, not any component's. */
let armed: CrashPoint | undefined;
let arrivals = 0;

export function armCrashPoint(point: CrashPoint | undefined): void {
  armed = point;
  arrivals = 0;
}

export function crashPoint(name: CrashPointName): void {
  if (arrivesLast(name)) process.kill(process.pid, 'SIGKILL');
}

/** For a request under way: dies once what was sent until now has been handed to the operating system. */
export function crashPointAfterSending(name: CrashPointName): void {
  if (arrivesLast(name)) setImmediate(() => process.kill(process.pid, 'SIGKILL'));
}

function arrivesLast(name: CrashPointName): boolean {
  if (armed?.name !== name) return false;
  arrivals += 1;
  return arrivals === armed.arrival;
}
