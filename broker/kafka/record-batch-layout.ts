// Record batch v2, the only format that Kafka 4 writes. All numbers big-endian.
//
//    0 base offset      int64        23 last offset delta  int32
//    8 batch length     int32        27 base timestamp     int64
//   12 leader epoch     int32        35 max timestamp      int64
//   16 magic = 2        int8         43 producer id        int64
//   17 crc32c           uint32       51 producer epoch     int16
//      of 21 … the end               53 base sequence      int32
//   21 attributes       int16        57 records            int32        61 records …
//
// attributes: bits 0–2 codec, 3 timestamps are the log's, 4 transactional, 5 control.
// A record: length, attributes (int8), timestamp delta, offset delta, key, value, headers; zigzag varints, length −1 null.

export const layout = {
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const;

/** Bytes before what the batch length counts. */
export const lengthPrefixBytes = 12;

export const attributeBits = {
  codec: 7,
  logAppendTime: 8,
  transactional: 16,
  control: 32,
} as const;
