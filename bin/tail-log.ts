// Reads assignments straight from a log: Kafka, or the embedded log of a `dev` that is not running.

import type { Broker } from '../broker/index.ts';
import { type RecordBatch, recordValue, topics } from '../schemas/index.ts';
import type { CommandContext } from './command-context.ts';
import { followTopic } from './follow-topic.ts';
import { openKafka, openStopped } from './open-broker.ts';

interface TailLogOptions {
  readonly fromBeginning?: boolean;
  readonly follow: boolean;
  readonly dataDir?: string;
  readonly signal: AbortSignal;
  /** Resolves when there is room for more. @returns false to stop. */
  readonly print: (values: readonly Uint8Array[]) => Promise<boolean>;
}

export async function tailLog(context: CommandContext, options: TailLogOptions): Promise<void> {
  const broker =
    options.dataDir === undefined
      ? await openKafka(context)
      : await openStopped(context, options.dataDir);
  try {
    await printAssignments(broker, options);
  } finally {
    await broker.close();
  }
}

async function printAssignments(
  broker: Broker,
  { fromBeginning, follow, signal, print }: TailLogOptions,
): Promise<void> {
  await followTopic(broker, {
    topic: topics.assignments,
    fromBeginning: fromBeginning ?? false,
    untilEnd: !follow,
    signal,
    onBatch: (batch) => print(valuesOf(batch)),
  });
}

function valuesOf(batch: RecordBatch): Uint8Array[] {
  const values: Uint8Array[] = [];
  for (let row = 0; row < batch.n; row += 1) {
    const value = recordValue(batch, row);
    if (value !== null) values.push(value);
  }
  return values;
}
