// Reads assignments straight from a log: Kafka, or the embedded log of a `dev` that is not running.

import type { Broker } from '../broker/index.ts';
import { recordValue, topics } from '../schemas/index.ts';
import type { CommandContext } from './command-context.ts';
import { followTopic } from './follow-topic.ts';
import { openEmbedded, openKafka } from './open-broker.ts';

interface TailLogOptions {
  readonly fromBeginning?: boolean;
  readonly follow: boolean;
  readonly dataDir?: string;
  readonly signal: AbortSignal;
  /** @returns false to stop. */
  readonly print: (value: Uint8Array) => boolean;
}

export async function tailLog(context: CommandContext, options: TailLogOptions): Promise<void> {
  const broker =
    options.dataDir === undefined
      ? await openKafka(context)
      : await openEmbedded(context, options.dataDir);
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
    onBatch: (batch) => {
      for (let row = 0; row < batch.n; row += 1) {
        const value = recordValue(batch, row);
        if (value !== null && !print(value)) return false;
      }
      return true;
    },
  });
}
