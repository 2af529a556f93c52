// The owner of the model. Folds every delta, in the order of the log, into its online model, and publishes the result.
//
//   no model   samples are gathered, and the first model is fitted to them: version x.0.0 (bootstrap.ts)
//   delta      one decay step each: PATCH counts them, so state and version are functions of the log alone
//   command    another model takes the place of this one, it is pinned, … (command-handler.ts)
//
// The whole state is in memory and, cluster by cluster, in the changelogged store; a restart goes on bit for bit.

import type { FirstModel, HalfLife, OnlineModel } from '../clustering/index.ts';
import {
  type CentroidDelta,
  decodeLearningMessage,
  type LearningMessage,
  type RecordBatch,
  recordValue,
  topics,
} from '../schemas/index.ts';
import type { KeyValueStore, ModelRegistry } from '../state-stores/index.ts';
import { InvalidRecordError } from '../support/index.ts';
import { Bootstrap, type BootstrapOptions } from './bootstrap.ts';
import { Champion, emit } from './champion.ts';
import { CommandHandler } from './command-handler.ts';
import { FoldState } from './fold-state.ts';
import { beginFirst, foldDelta, type NamedEvent } from './owner-steps.ts';
import type { Processor, ProcessorContext } from './processor.ts';

/** Metric and missing values are those of the first model; a promoted one has its own. */
export interface FoldCentroidsOptions extends BootstrapOptions {
  /** Of generations that begin from now on; one that is there keeps its own. */
  readonly halfLife: HalfLife;
  readonly codeVersion: string;
}

const bootstrapCheckMs = 200;

export class FoldCentroids implements Processor<RecordBatch> {
  readonly #options: FoldCentroidsOptions;
  #state!: FoldState;
  #champion!: Champion;
  #commands!: CommandHandler;
  #bootstrap!: Bootstrap;

  constructor(options: FoldCentroidsOptions) {
    this.#options = options;
  }

  async open(context: ProcessorContext): Promise<void> {
    const store = context.store<KeyValueStore>('centroids');
    this.#state = await FoldState.load(store, this.#options.halfLife);
    this.#champion = new Champion(this.#state, this.#options.codeVersion);
    this.#commands = new CommandHandler(this.#champion, context.store<ModelRegistry>('models'));
    this.#bootstrap = await Bootstrap.load(store, this.#options);
    if (this.#state.online !== undefined) this.#compareHalfLife(this.#state.online, context);
    if (this.#state.generation !== undefined) return;
    const cancel = context.schedule(bootstrapCheckMs, 'wall-clock', (nowMs) => {
      if (this.#state.generation !== undefined) cancel();
      else this.#begin(this.#bootstrap.modelAfterWaiting(nowMs, context.logger), context);
    });
  }

  #compareHalfLife({ halfLife }: OnlineModel, context: ProcessorContext): void {
    const next = this.#options.halfLife;
    if (halfLife.unit === next.unit && halfLife.value === next.value) return;
    const text = 'the generation keeps its half-life; model.half.life counts from the next retrain';
    context.logger.info({ halfLife, next }, text);
  }

  process(batch: RecordBatch, context: ProcessorContext): void {
    for (let row = 0; row < batch.n; row += 1) {
      const value = recordValue(batch, row);
      const offset = batch.offsets[row]!;
      if (batch.topic === topics.modelCommands) {
        if (!this.#commands.handle(value, offset, context)) return;
        if (this.#state.generation !== undefined) this.#bootstrap.drop();
        continue;
      }
      this.#beginWhenFull(context);
      if (this.#bootstrap.isFitting) {
        const { rows } = this.#bootstrap.samples;
        context.retryLater(`waiting for the first model to be fitted to ${rows} points`);
        return;
      }
      this.#learn(value, offset, context);
      this.#champion.tookIn(offset + 1);
    }
    this.#beginWhenFull(context);
  }

  flush(context: ProcessorContext): void {
    this.#champion.flush(context);
    this.#bootstrap.samples.save();
  }

  close(): void {
    // There is none where opening has failed.
    this.#bootstrap?.close();
  }

  #beginWhenFull(context: ProcessorContext): void {
    if (this.#state.generation !== undefined) return;
    this.#begin(this.#bootstrap.modelWhenFull(context.logger), context);
  }

  #begin(first: FirstModel | undefined, context: ProcessorContext): void {
    if (first === undefined) return;
    const { k } = this.#options;
    const { samples } = this.#bootstrap;
    const { rows } = samples;
    this.#champion.replace((state) => beginFirst(state, samples, this.#options, first), context);
    this.#bootstrap.drop();
    const timestampMs = context.currentSystemTimeMs();
    const reason = `seeded from ${rows} points`;
    this.#champion.decide(
      { command: 'bootstrap', requestedBy: context.applicationId, reason, timestampMs },
      { alias: 'champion', version: this.#state.version!, previous: null },
      context,
    );
    context.logger.info({ rows, k }, 'the first model is seeded: version 1.0.0');
  }

  #learn(value: Uint8Array | null, offset: number, context: ProcessorContext): void {
    const message = decoded(value, offset, context);
    if (message === undefined) return;
    if (message.kind === 'delta') this.#fold(message, context);
    else if (this.#state.generation === undefined) this.#bootstrap.add(message);
  }

  #fold(delta: CentroidDelta, context: ProcessorContext): void {
    const outcome = foldDelta(this.#state, delta, (event) =>
      this.#report(event, delta.timestampMs, context),
    );
    context.metrics.deltasFolded.inc({ outcome });
    if (outcome !== 'invalid') return;
    context.logger.error({ delta: delta.modelVersion }, 'a delta does not fit its model');
  }

  #report(event: NamedEvent, timestampMs: number, context: ProcessorContext): void {
    const { type, clusterId, otherId, weight, gain, cost, within } = event;
    const modelVersion = this.#state.version!;
    const details =
      type === 'moved'
        ? { weight, distance: gain, radius: cost }
        : { weight, gain, cost, otherId, ...(within !== undefined && { within }) };
    emit({ type, clusterId, modelVersion, timestampMs, details }, context);
  }
}

/** Only our own tasks write here: a message nobody can read is counted and said, and the stream goes on. */
function decoded(
  value: Uint8Array | null,
  offset: number,
  context: ProcessorContext,
): LearningMessage | undefined {
  try {
    if (value !== null) return decodeLearningMessage(value);
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error;
    const { partition } = context;
    context.logger.error(
      { partition, offset, err: error },
      'a record of centroid-deltas cannot be read',
    );
  }
  context.metrics.deltasFolded.inc({ outcome: 'invalid' });
  return undefined;
}
