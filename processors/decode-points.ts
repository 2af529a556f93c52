// From records of `points` to columns. What is not a point goes to dead-letters, once: original key, value and headers, and
// the reason in the headers Kafka Streams uses (KIP-1034). Before the first model nothing is rejected for good: the batch will
// come again, and only then is it known what a point must look like.

import {
  PointDecoder,
  type PointDecoderOptions,
  type RecordBatch,
  type RecordHeader,
  type RejectedPoint,
  recordHeaders,
  recordKey,
  recordValue,
  topics,
} from '../schemas/index.ts';
import type { ModelRegistry } from '../state-stores/index.ts';
import type { Processor, ProcessorContext } from './processor.ts';

export interface DecodePointsOptions {
  readonly decoder: PointDecoderOptions;
  /** 0: the model, and before it the first valid point, decides. */
  readonly dimensions: number;
  readonly features: readonly string[];
}

export class DecodePoints implements Processor<RecordBatch> {
  readonly #options: DecodePointsOptions;
  readonly #decoder: PointDecoder;
  #models!: ModelRegistry;

  constructor(options: DecodePointsOptions) {
    this.#options = options;
    this.#decoder = new PointDecoder(options.decoder);
  }

  open(context: ProcessorContext): void {
    this.#models = context.store<ModelRegistry>('models');
  }

  process(batch: RecordBatch, context: ProcessorContext): void {
    const { dimensions, features } = this.#options;
    const model = this.#models.current();
    const shape = { dims: model?.dims ?? dimensions, features: model?.features ?? features };
    const { points, rejected } = this.#decoder.decode(batch, shape);
    if (model !== undefined) for (const reject of rejected) deadLetter(batch, reject, context);
    context.forward('assign', points);
  }
}

function deadLetter(batch: RecordBatch, reject: RejectedPoint, context: ProcessorContext): void {
  const { row, code } = reject;
  const headers = [...recordHeaders(batch, row), ...reasonHeaders(batch, reject)];
  const timestampMs = batch.timestamps[row]!;
  const output = context.output(topics.deadLetters);
  output.append(timestampMs, recordKey(batch, row), recordValue(batch, row), headers);
  context.metrics.deadLetters.inc({ reason: code });
}

function reasonHeaders(batch: RecordBatch, { row, code, message }: RejectedPoint): RecordHeader[] {
  const fields = {
    '__streams.errors.exception': 'InvalidRecordError',
    '__streams.errors.stacktrace': '',
    '__streams.errors.message': message,
    '__streams.errors.topic': batch.topic,
    '__streams.errors.partition': String(batch.partition),
    '__streams.errors.offset': String(batch.offsets[row]!),
    'meanstream.reason': code,
  };
  const encoder = new TextEncoder();
  return Object.entries(fields).map(([key, value]) => ({ key, value: encoder.encode(value) }));
}
