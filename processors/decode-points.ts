// From records of `points` to columns. What is not a point goes to dead-letters, once: original key, value and headers, and
// the reason in the headers Kafka Streams uses (KIP-1034). A transaction has one model version, here as in assign-points.ts.
// Before the first model a batch with points comes again, and what is rejected with it is rejected then, once it is known
// what a point must look like; a batch without any is rejected at once, or it would stand in the way for ever.

import {
  type Metric,
  type MissingPolicy,
  type Model,
  PointDecoder,
  type PointDecoderOptions,
  type PointShape,
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
  /** Of the first model; a model has its own. */
  readonly metric: Metric;
  readonly missing: MissingPolicy;
}

export class DecodePoints implements Processor<RecordBatch> {
  readonly #decoder: PointDecoder;
  readonly #shapeBefore: PointShape;
  #models!: ModelRegistry;
  /** Of the open transaction. */
  #model: Model | undefined;

  constructor({ decoder, dimensions, ...shape }: DecodePointsOptions) {
    this.#decoder = new PointDecoder(decoder);
    this.#shapeBefore = { dims: dimensions, ...shape };
  }

  open(context: ProcessorContext): void {
    this.#models = context.store<ModelRegistry>('models');
  }

  process(batch: RecordBatch, context: ProcessorContext): void {
    this.#model ??= this.#models.current();
    const { points, rejected } = this.#decoder.decode(batch, this.#model ?? this.#shapeBefore);
    if (this.#model !== undefined || points.n === 0) {
      for (const reject of rejected) deadLetter(batch, reject, context);
    }
    context.forward('assign', points);
  }

  flush(): void {
    this.#model = undefined;
  }
}

function deadLetter(batch: RecordBatch, reject: RejectedPoint, context: ProcessorContext): void {
  const { row, code } = reject;
  const headers = [...originalHeaders(batch, row), ...reasonHeaders(batch, reject)];
  const timestampMs = batch.timestamps[row]!;
  const output = context.output(topics.deadLetters);
  output.append(timestampMs, recordKey(batch, row), recordValue(batch, row), headers);
  context.metrics.deadLetters.inc({ reason: code });
}

/** A record that was replayed and failed again does not keep the reasons of its former lives. */
function originalHeaders(batch: RecordBatch, row: number): RecordHeader[] {
  return recordHeaders(batch, row).filter(
    ({ key }) => !key.startsWith('__streams.errors.') && key !== 'meanstream.reason',
  );
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
