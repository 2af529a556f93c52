// Reads every partition of a topic side by side, in offset order within each, until told to stop. No group, no commits:
// looking changes nothing.

import type { Broker, PartitionOffsets, PartitionReader } from '../broker/index.ts';
import type { RecordBatch } from '../schemas/index.ts';

export interface FollowOptions {
  readonly topic: string;
  readonly fromBeginning: boolean;
  /** Stop at what was the end when following began. */
  readonly untilEnd: boolean;
  readonly signal: AbortSignal;
  /** Takes in a batch, which is valid until the promise resolves. @returns false to stop following. */
  readonly onBatch: (batch: RecordBatch) => boolean | Promise<boolean>;
}

const rowsMax = 4_096;
const waitMsMax = 250;

export async function followTopic(broker: Broker, options: FollowOptions): Promise<void> {
  const partitions = await broker.listOffsets(options.topic);
  const stopped = new AbortController();
  const signal = AbortSignal.any([options.signal, stopped.signal]);
  const loops = partitions.map((partition) => followPartition(broker, partition, options, signal));
  const stopAll = () => stopped.abort();
  await Promise.all(
    loops.map((loop) =>
      loop.then(
        (isWanted) => isWanted || stopAll(),
        (error: unknown) => {
          stopAll();
          throw error;
        },
      ),
    ),
  );
}

/** @returns false when `onBatch` asked to stop. */
async function followPartition(
  broker: Broker,
  { partition, logStart, end }: PartitionOffsets,
  { topic, fromBeginning, untilEnd, onBatch }: FollowOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const reader = broker.openReader({ topic, partition }, fromBeginning ? logStart : end);
  const isDone = () => signal.aborted || (untilEnd && reader.position >= end);
  try {
    return await readUntil(reader, isDone, onBatch);
  } finally {
    await reader.close();
  }
}

async function readUntil(
  reader: PartitionReader,
  isDone: () => boolean,
  onBatch: FollowOptions['onBatch'],
): Promise<boolean> {
  while (!isDone()) {
    const batch = await reader.read({ rowsMax, waitMsMax });
    if (isDone() && batch.n === 0) break;
    if (batch.n > 0 && !(await onBatch(batch))) return false;
  }
  return true;
}
