// An idempotent or transactional producer as Kafka knows it: an id, an epoch, and per partition the number of the next
// record. Kafka drops a batch whose numbers it has seen, so the same bytes may be sent twice and are kept once.

import type { TopicPartition } from '../broker.ts';
import { nameOf } from './by-topic.ts';
import type { BatchProducer } from './record-batch-encoder.ts';

const sequenceCount = 2 ** 31;

export class ProducerSession {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly transactionalId: string | null;
  readonly #sequences = new Map<string, number>();

  constructor(producerId: number, producerEpoch: number, transactionalId: string | null) {
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
    this.transactionalId = transactionalId;
  }

  /** How a batch is signed that comes `rowsBefore` rows after what was acknowledged. Numbers wrap after 2^31 − 1. */
  signature(partition: TopicPartition, rowsBefore: number): BatchProducer {
    const acknowledged = this.#sequences.get(nameOf(partition)) ?? 0;
    return {
      producerId: this.producerId,
      producerEpoch: this.producerEpoch,
      baseSequence: (acknowledged + rowsBefore) % sequenceCount,
      transactional: this.transactionalId !== null,
    };
  }

  /** Kafka has acknowledged the next rows of a partition. */
  advance(partition: TopicPartition, rows: number): void {
    const { baseSequence } = this.signature(partition, rows);
    this.#sequences.set(nameOf(partition), baseSequence);
  }

  /** For tests of the wrap. */
  setSequence(partition: TopicPartition, sequence: number): void {
    this.#sequences.set(nameOf(partition), sequence);
  }
}
