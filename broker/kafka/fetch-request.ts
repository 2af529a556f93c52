// Fetch 11, read_committed, without fetch sessions: the request for one node's partitions, and its answer as bytes.

import { byTopic } from './by-topic.ts';
import { WireReader, WireWriter } from './wire-buffer.ts';

export interface FetchTarget {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly bytesMax: number;
}

export interface FetchLimits {
  readonly waitMsMax: number;
  readonly bytesMax: number;
}

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly lastStableOffset: number;
  readonly logStart: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Whole batches, the last one perhaps cut. A view on the answer's bytes, or a copy. */
  readonly records: Buffer;
  /** Says that nobody looks at the records any more. */
  readonly release: () => void;
}

const readCommitted = 1;
/** Records that are no larger part of their answer are copied: they may be kept for long, and with them all of it. */
const copiedShareMax = 1 / 8;

export function encodeFetch(targets: readonly FetchTarget[], limits: FetchLimits): Buffer {
  const writer = new WireWriter()
    .int32(-1)
    .int32(limits.waitMsMax)
    .int32(1)
    .int32(limits.bytesMax)
    .int8(readCommitted)
    .int32(0)
    .int32(-1);
  return writer
    .array(byTopic(targets), ([topic, partitions]) => {
      writer.string(topic).array(partitions, ({ partition, offset, bytesMax }) => {
        writer.int32(partition).int32(-1).int64(offset).int64(-1).int32(bytesMax);
      });
    })
    .int32(0)
    .string('')
    .finish();
}

/** @param release of the whole answer: called once every partition's records were released. */
export function decodeFetch(payload: Buffer, release: () => void = () => {}): FetchedPartition[] {
  let held = 1;
  const letGo = () => {
    held -= 1;
    if (held === 0) release();
  };
  const reader = new WireReader(payload);
  reader.int32();
  const errorCode = reader.int16();
  reader.int32();
  const topics = reader.array(() => {
    const topic = reader.string() ?? '';
    return reader.array(() => {
      const fetched = readPartition(reader, topic, errorCode);
      const { records } = fetched;
      if (records.length <= payload.length * copiedShareMax) {
        return { ...fetched, records: Buffer.from(records), release: () => {} };
      }
      held += 1;
      return { ...fetched, release: once(letGo) };
    });
  });
  letGo();
  return topics.flat();
}

function once(call: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) call();
    isDone = true;
  };
}

function readPartition(
  reader: WireReader,
  topic: string,
  error: number,
): Omit<FetchedPartition, 'release'> {
  const partition = reader.int32();
  const errorCode = reader.int16() || error;
  reader.int64();
  const lastStableOffset = reader.int64();
  const logStart = reader.int64();
  const aborted = reader.array(() => ({
    producerId: reader.int64(),
    firstOffset: reader.int64(),
  }));
  reader.int32();
  const records = reader.bytes();
  return { topic, partition, errorCode, lastStableOffset, logStart, aborted, records };
}
