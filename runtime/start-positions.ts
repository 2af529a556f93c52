// Where the inputs of a task begin: at the group's committed offset, whatever a store may say. Without one, or when the
// log no longer holds it, `autoOffsetReset` decides, and says so: records are never skipped silently.

import type { Broker, CommittedOffset } from '../broker/index.ts';
import type { SourceNode } from '../topology/index.ts';
import type { TaskEnvironment } from './task-environment.ts';
import type { StartPosition } from './task-sources.ts';

export async function startPositions(
  sources: readonly SourceNode[],
  partition: number,
  committed: readonly CommittedOffset[],
  environment: TaskEnvironment,
): Promise<StartPosition[]> {
  const positions: StartPosition[] = [];
  for (const source of sources) {
    const { logStart, end } = await boundsOf(environment.broker, source.topic, partition);
    const known = committed.find((offset) => offset.topic === source.topic)?.offset ?? -1;
    const resetTo = environment.autoOffsetReset === 'earliest' ? logStart : end;
    const lost = known >= 0 && (known < logStart || known > end);
    if (lost) {
      environment.logger.warn(
        { topic: source.topic, partition, committed: known, logStart, end, resetTo },
        `Offset ${known} of ${source.topic}-${partition} is not in the log (${logStart} to ${end}); going on at ${resetTo} (auto.offset.reset).`,
      );
    }
    const offset = known < 0 || lost ? resetTo : known;
    // A beginning at the log's start needs no commit to stay what it is.
    const atStart = known < 0 && environment.autoOffsetReset === 'earliest';
    positions.push({ source, offset, committed: atStart ? offset : known, end });
  }
  return positions;
}

async function boundsOf(
  broker: Broker,
  topic: string,
  partition: number,
): Promise<{ logStart: number; end: number }> {
  return (await broker.listOffsets(topic))[partition]!;
}
