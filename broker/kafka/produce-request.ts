// Produce 7, acks all, around finished record batches: one batch per partition, as Kafka demands.

import { byTopic } from './by-topic.ts';
import { WireReader, WireWriter } from './wire-buffer.ts';

export interface ProducedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

export interface ProduceResult {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset: number;
}

const allReplicas = -1;

/** The request in parts: the batches are in it as they are, not copied. */
export function encodeProduce(
  transactionalId: string | null,
  replicationMsMax: number,
  batches: readonly ProducedBatch[],
): Buffer[] {
  const bodies: { readonly at: number; readonly bytes: Buffer }[] = [];
  const writer = new WireWriter()
    .string(transactionalId)
    .int16(allReplicas)
    .int32(replicationMsMax);
  writer.array(byTopic(batches), ([topic, partitions]) => {
    writer.string(topic).array(partitions, ({ partition, bytes }) => {
      writer.int32(partition).int32(bytes.length);
      bodies.push({ at: writer.size, bytes });
    });
  });
  const fields = writer.finish();
  return bodies.flatMap(({ at, bytes }, i) => [fields.subarray(bodies[i - 1]?.at ?? 0, at), bytes]);
}

export function decodeProduce(payload: Buffer): ProduceResult[] {
  const reader = new WireReader(payload);
  const topics = reader.array(() => {
    const topic = reader.string() ?? '';
    return reader.array(() => {
      const partition = reader.int32();
      const errorCode = reader.int16();
      const baseOffset = reader.int64();
      reader.int64();
      reader.int64();
      return { topic, partition, errorCode, baseOffset };
    });
  });
  return topics.flat();
}
