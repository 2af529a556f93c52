// Committed positions of a group, by OffsetFetch 7: the first version that can wait out a transaction whose commit is
// decided but not yet written everywhere (require_stable). kafkajs stops at 4, which would answer with the offset before it.

import { FatalError, RetriableError } from '../../support/index.ts';
import type { CommittedOffset, TopicPartition } from '../broker.ts';
import { byTopic } from './by-topic.ts';
import { type Connections, rawVersions } from './connections.ts';
import { check, coordinatorMoved, isForbidden, isRefusal, KafkaRefusal } from './kafka-errors.ts';
import { retrying } from './retry.ts';
import { WireReader, WireWriter } from './wire-buffer.ts';

const askMsMax = 20_000;
const neverCommitted = -1;

export async function committedOffsets(
  connections: Connections,
  group: string,
  partitions: readonly TopicPartition[],
): Promise<CommittedOffset[]> {
  if (partitions.length === 0) return [];
  const { clock } = connections;
  const deadlineMs = clock.monotonicMs() + askMsMax;
  const again = (error: unknown) => {
    if (connections.closed) return false;
    const isDefinite = error instanceof KafkaRefusal && !isRefusal(error, coordinatorMoved);
    if (isDefinite) return error.type === 'UNSTABLE_OFFSET_COMMIT';
    connections.forgetCoordinator('group', group);
    return true;
  };
  try {
    return await retrying({ clock, deadlineMs, again }, async () => {
      const node = await connections.coordinator('group', group, 'requests');
      const body = encodeOffsetFetch(group, partitions);
      const found = await node.callRaw(
        'OffsetFetch',
        rawVersions.OffsetFetch,
        body,
        decodeOffsetFetch,
      );
      return found.filter(({ offset }) => offset !== neverCommitted);
    });
  } catch (cause) {
    if (isForbidden(cause)) {
      throw new FatalError(`The offsets of group ${group} may not be read; grant Describe.`, {
        cause,
      });
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RetriableError(`The offsets of group ${group} are not to be had: ${reason}.`, {
      cause,
    });
  }
}

/** A flexible version: its header ends with tagged fields, which kafkajs does not write; so the body begins with them. */
function encodeOffsetFetch(group: string, partitions: readonly TopicPartition[]): Buffer {
  const writer = new WireWriter().noTags().compactString(group);
  return writer
    .compactArray(byTopic(partitions), ([topic, of]) => {
      writer
        .compactString(topic)
        .compactArray(of, ({ partition }) => writer.int32(partition))
        .noTags();
    })
    .int8(1)
    .noTags()
    .finish();
}

function decodeOffsetFetch(payload: Buffer): CommittedOffset[] {
  const reader = new WireReader(payload);
  reader.skipTags();
  reader.int32();
  const topics = reader.compactArray(() => {
    const topic = reader.compactString() ?? '';
    const partitions = reader.compactArray(() => readPartition(reader, topic));
    reader.skipTags();
    return partitions;
  });
  check('OffsetFetch', reader.int16());
  for (const { topic, partition, errorCode } of topics.flat()) {
    check(`OffsetFetch of ${topic}-${partition}`, errorCode);
  }
  return topics.flat().map(({ errorCode: _none, ...committed }) => committed);
}

function readPartition(reader: WireReader, topic: string) {
  const partition = reader.int32();
  const offset = reader.int64();
  reader.int32();
  const metadata = reader.compactString() ?? '';
  const errorCode = reader.int16();
  reader.skipTags();
  return { topic, partition, offset, metadata, errorCode };
}
