// Points straight into the log, each exactly once even over crashes: every batch and the line to go on at are one
// transaction. The line is kept as a committed offset of a group of its own.

import {
  type Append,
  type Broker,
  partitionOfKey,
  type TransactionalWriter,
} from '../../broker/index.ts';
import {
  RecordBatchBuilder,
  type RecordColumns,
  recordKey,
  recordValue,
} from '../../schemas/index.ts';
import {
  type Clock,
  CommitOutcomeUnknownError,
  DependencyDownError,
  RetriableError,
} from '../../support/index.ts';
import type { PointSink } from './point-sink.ts';

export interface LogPointSinkOptions {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly topic: string;
  /** Names the source over restarts; also the transactional id, so that two runs of one source cannot mix. */
  readonly group: string;
  /** Go on after the lines of earlier runs; else begin at line 1. */
  readonly resume: boolean;
}

interface Start {
  readonly nextLine: number;
  readonly partitions: number;
}

const attemptsMax = 10;
const pauseMs = 200;

export class LogPointSink implements PointSink {
  readonly #options: LogPointSinkOptions;
  readonly #builders: RecordBatchBuilder[];
  #writer: TransactionalWriter;
  #nextLine: number;
  #turn = 0;

  private constructor(options: LogPointSinkOptions, writer: TransactionalWriter, start: Start) {
    this.#options = options;
    this.#writer = writer;
    this.#nextLine = start.nextLine;
    this.#builders = Array.from({ length: start.partitions }, () => new RecordBatchBuilder());
  }

  /**
   * Fences an earlier run of the same source that is still alive.
   * @throws DependencyDownError when the topic is missing.
   */
  static async open(options: LogPointSinkOptions): Promise<LogPointSink> {
    const { broker, topic, group, resume } = options;
    const [description] = await broker.describeTopics([topic]);
    if (description === undefined) throw missingTopic(topic);
    const writer = await broker.openTransactionalWriter(group);
    const nextLine = (resume ? await committedLine(options) : undefined) ?? 1;
    return new LogPointSink(options, writer, { nextLine, partitions: description.partitions });
  }

  get nextLine(): number {
    return this.#nextLine;
  }

  async send(records: RecordColumns, nextLine: number): Promise<void> {
    const appends = this.#split(records);
    const { topic, group } = this.#options;
    const offsets = [{ topic, partition: 0, offset: nextLine, metadata: 'next line' }];
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#writer.commit({ appends, group, offsets });
        break;
      } catch (error) {
        if (!isPassing(error) || attempt === attemptsMax) throw error;
        await this.#reopen();
        // The answer was lost, not the commit: the committed line tells.
        if ((await committedLine(this.#options)) === nextLine) break;
      }
    }
    this.#nextLine = nextLine;
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }

  #split(records: RecordColumns): Append[] {
    const { topic } = this.#options;
    for (const builder of this.#builders) builder.clear();
    for (let row = 0; row < records.n; row += 1) {
      const key = recordKey(records, row);
      const builder = this.#builders[this.#partitionOf(key)]!;
      builder.append(records.timestamps[row]!, key, recordValue(records, row));
    }
    return this.#builders
      .map((builder, partition) => ({ topic, partition, records: builder }))
      .filter((append) => append.records.n > 0);
  }

  /** A point without a key goes to the next partition in turn. */
  #partitionOf(key: Uint8Array | null): number {
    const partitions = this.#builders.length;
    if (key !== null) return partitionOfKey(key, partitions);
    this.#turn = (this.#turn + 1) % partitions;
    return this.#turn;
  }

  async #reopen(): Promise<void> {
    await this.#writer.close();
    await this.#options.clock.sleep(pauseMs);
    this.#writer = await this.#options.broker.openTransactionalWriter(this.#options.group);
  }
}

async function committedLine(options: LogPointSinkOptions): Promise<number | undefined> {
  const { broker, group, topic } = options;
  const [committed] = await broker.committedOffsets(group, [{ topic, partition: 0 }]);
  return committed?.offset;
}

function missingTopic(topic: string): DependencyDownError {
  return new DependencyDownError(
    `There is no topic ${topic}; make the topics with \`meanstream topics apply\`.`,
    { topic },
  );
}

function isPassing(error: unknown): boolean {
  return error instanceof RetriableError || error instanceof CommitOutcomeUnknownError;
}
