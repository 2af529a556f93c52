// What coordinator and workers of a retrain say to each other. Column messages (column-message.ts): a job's requests and answers
// are columns of numbers, whose shapes clustering/ranges/steps.ts says. One that is larger than a record goes in pieces
// (message-pieces.ts): a sample for many clusters of many features is.
//
//   retrain-tasks      coordinator → workers, and to itself: its log. Transactions of one writer at a time.
//     job              what is to be fitted, and in which ranges
//     rows             the rows of a range that is no range of the log: an earlier job's coreset
//     step             a request to all ranges, and which worker has which
//     reassign         ranges of the step that another worker is to answer too
//     answer           what all answers came to: with these a new coordinator goes on where the last one was
//     end              done, cancelled or failed
//   retrain-partials   workers → coordinator
//     heartbeat        a worker lives; what it has packed
//     partial          a range's answer. The first one counts; another's has the same bits
//     failed           a worker cannot go on

import { decodeColumnMessage, encodeColumnMessage } from './column-message.ts';
import { cutMessage, MessageJoiner } from './message-pieces.ts';
import type { Metric, MissingPolicy, OffsetRange } from './model.ts';
import type { PointShape } from './point-reader.ts';
import { type RecordColumns, recordKey, recordValue } from './record-batch.ts';

/** A piece of a partition of `points`; partition −1: rows that the job brings with it. */
export interface JobRange extends OffsetRange {
  readonly partition: number;
}

/** Of a job, what a worker needs. */
export interface RetrainJob {
  readonly type: 'job';
  readonly job: string;
  /** The id of the request that it was begun for; null: begun by hand. */
  readonly request: string | null;
  readonly ranges: readonly JobRange[];
  readonly shape: PointShape & { readonly dims: number };
  readonly metric: Metric;
  readonly missing: MissingPolicy;
  readonly seed: number;
  /** What only the coordinator reads: its problem, the parent, who asked. */
  readonly plan: unknown;
}

export interface RetrainRows {
  readonly type: 'rows';
  readonly job: string;
  readonly range: number;
  /** rows × dims, input units. */
  readonly values: Float32Array;
  readonly weights: Float32Array;
}

export interface RetrainStep<Request = unknown> {
  readonly type: 'step';
  readonly job: string;
  readonly step: number;
  /** Where on `retrain-partials` the answers to it begin. */
  readonly partialsFrom: number;
  /** The worker of each range. */
  readonly owners: readonly string[];
  readonly request: Request;
}

export interface RetrainReassign {
  readonly type: 'reassign';
  readonly job: string;
  readonly step: number;
  readonly worker: string;
  readonly ranges: readonly number[];
}

export interface RetrainAnswer<Answer = unknown> {
  readonly type: 'answer';
  readonly job: string;
  readonly step: number;
  readonly answer: Answer;
}

export interface RetrainEnd {
  readonly type: 'end';
  readonly job: string;
  readonly outcome: 'done' | 'cancelled' | 'failed';
  readonly reason: string;
}

export type RetrainTask =
  | RetrainJob
  | RetrainRows
  | RetrainStep
  | RetrainReassign
  | RetrainAnswer
  | RetrainEnd;

export interface RetrainHeartbeat {
  readonly type: 'heartbeat';
  readonly worker: string;
  readonly job: string | null;
  /** Records replayed for this job, of ranges whose first replay it was. */
  readonly replayed: number;
}

export interface RetrainPartial<Answer = unknown> {
  readonly type: 'partial';
  readonly worker: string;
  readonly job: string;
  readonly step: number;
  readonly range: number;
  readonly answer: Answer;
}

export interface RetrainFailure {
  readonly type: 'failed';
  readonly worker: string;
  readonly job: string;
  readonly code: string;
  readonly message: string;
}

export type RetrainReply = RetrainHeartbeat | RetrainPartial | RetrainFailure;

/** The values of the records that carry it, in their order; all have one key. */
export function encodeRetrainTask(task: RetrainTask): Uint8Array[] {
  return cutMessage(encodeColumnMessage(task));
}

/** The values of the records that carry it, in their order; all have one key. */
export function encodeRetrainReply(reply: RetrainReply): Uint8Array[] {
  return cutMessage(encodeColumnMessage(reply));
}

/** Reads the messages of one topic out of its records, in the order of the log. */
export class RetrainMessageReader<Message extends RetrainTask | RetrainReply> {
  readonly #joiner = new MessageJoiner();

  /** The message that ends with this record, if one does. @throws InvalidRecordError */
  take(batch: RecordColumns, row: number): Message | undefined {
    const value = recordValue(batch, row);
    const whole = value === null ? undefined : this.#joiner.take(recordKey(batch, row), value);
    return whole === undefined ? undefined : decodeColumnMessage<Message>(whole);
  }
}
