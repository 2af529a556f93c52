// One transaction of one task, and only then its stores:
//
//   1. begin: changelog records and a progress record, sinks and input offsets go to the log, all or nothing
//   2. once that is confirmed: overlay and checkpoint go to each store in one atomic write
//
// Whatever fails, the caller closes the task and takes it over anew: the group's offsets then tell what happened.

import type { CommittedOffset, TransactionalWriter } from '../broker/index.ts';
import type { StoreProgress } from '../state-stores/index.ts';
import {
  CommitOutcomeUnknownError,
  crashPoint,
  RecordTooLargeError,
  TaskMigratedError,
} from '../support/index.ts';
import type { TaskEnvironment } from './task-environment.ts';
import type { TaskOutputs } from './task-outputs.ts';
import type { TaskSources } from './task-sources.ts';
import type { TaskStores } from './task-stores.ts';

export interface CommitParts {
  readonly environment: TaskEnvironment;
  readonly writer: TransactionalWriter;
  readonly sources: TaskSources;
  readonly outputs: TaskOutputs;
  readonly stores: TaskStores;
  readonly streamTimeMs: number;
}

/** @returns the positions that it moved the group to. @throws what TransactionalWriter.commit throws, and TaskCorruptedError or RetriableError from the stores. */
export async function commitTransaction(parts: CommitParts): Promise<readonly CommittedOffset[]> {
  const { environment, writer, sources, outputs, stores, streamTimeMs } = parts;
  const { applicationId, clock, metrics } = environment;
  const startedMs = clock.monotonicMs();
  const progress: StoreProgress = { inputOffsets: sources.offsets(), streamTimeMs };
  const changelogs = stores.takeAppends(progress, clock.nowMs());
  const metadata = encodeStreamTime(streamTimeMs);
  const offsets = sources.all.map(({ topic, partition, position }) => ({
    topic,
    partition,
    offset: position,
    metadata,
  }));
  const appends = [...changelogs, ...outputs.appends()];
  try {
    const appended = await writer.commit({ appends, group: applicationId, offsets });
    crashPoint('committed');
    await stores.commitTo(changelogs, appended);
    metrics.commits.inc({ outcome: 'committed' });
  } catch (error) {
    metrics.commits.inc({ outcome: outcomeOf(error) });
    throw error;
  }
  metrics.commitDuration.observe((clock.monotonicMs() - startedMs) / 1000);
  metrics.lastProgress.set(clock.nowMs() / 1000);
  return offsets;
}

function outcomeOf(error: unknown): string {
  if (error instanceof TaskMigratedError) return 'fenced';
  if (error instanceof RecordTooLargeError) return 'too_large';
  return error instanceof CommitOutcomeUnknownError ? 'unknown' : 'failed';
}

/** Stream time travels with the offsets, so that tasks without stores keep it too. */
export function encodeStreamTime(streamTimeMs: number): string {
  return `stream-time=${streamTimeMs}`;
}

/** −1 for metadata of another make. */
export function decodeStreamTime(metadata: string): number {
  const digits = /^stream-time=(\d+)$/.exec(metadata)?.[1];
  return digits === undefined ? -1 : Number(digits);
}
