// Runs the trial of challengers (clustering/challenger-trial.ts) over a sample of the stream: gathers rows to begin with, then takes
// them in blocks, and puts the comparison on `challengers` every few of them. A task of its own, away from points and their
// answers. Its state is a function of `samples`, and of the model that was in use when a trial began.

import {
  ChallengerTrial,
  chooseKernels,
  type HalfLife,
  type TrialRecords,
  type TrialSetting,
} from '../clustering/index.ts';
import {
  type BootstrapSample,
  decodeLearningMessage,
  encodeChallengerReport,
  type Model,
  type RecordBatch,
  recordValue,
  topics,
} from '../schemas/index.ts';
import { CentroidStore, type KeyValueStore, type ModelRegistry } from '../state-stores/index.ts';
import { InvalidRecordError, MeanstreamError } from '../support/index.ts';
import type { Processor, ProcessorContext } from './processor.ts';

export interface Challenger {
  readonly name: string;
  /** Undefined: as in the model in use. */
  readonly k: number | undefined;
  readonly halfLife: HalfLife | undefined;
}

export interface CompareChallengersOptions {
  readonly challengers: readonly Challenger[];
  readonly scaling: boolean;
  readonly seed: number;
}

interface Header {
  /** What was asked for when the trial began. */
  readonly challengers: readonly Challenger[];
  readonly trial: Omit<TrialRecords, 'models'> | null;
  readonly dims: number;
  readonly weights: Float64Array;
  readonly timestampMs: number;
  readonly startedAtMs: number;
}

const blockRows = 256;
const startRowsMin = 1_000;
const startRowsPerCluster = 20;
const waitingRowsMax = 20_000;
const reportEveryBlocks = 4;
const key = new TextEncoder().encode('default');
export const baselineName = 'in use';

export class CompareChallengers implements Processor<RecordBatch> {
  readonly #options: CompareChallengersOptions;
  readonly #kernels = chooseKernels().kernels;
  #models!: ModelRegistry;
  #store!: CentroidStore<Header>;
  #trial: ChallengerTrial | undefined;
  #startedAtMs = 0;
  /** Rows that are in no block yet. */
  #dims = 0;
  #values: number[] = [];
  #weights: number[] = [];
  #timestampMs = -1;
  #changed = false;
  #stored = new Set<string>();
  #isNew = false;

  constructor(options: CompareChallengersOptions) {
    this.#options = options;
  }

  async open(context: ProcessorContext): Promise<void> {
    this.#models = context.store<ModelRegistry>('models');
    this.#store = new CentroidStore<Header>(context.store<KeyValueStore>('challengers'));
    const saved = await this.#store.load();
    if (saved === undefined) return;
    this.#stored = new Set(saved.clusters.keys());
    if (!isSame(saved.header.challengers, this.#options.challengers)) return;
    this.#restore(saved.header, saved.clusters);
  }

  process(batch: RecordBatch, context: ProcessorContext): void {
    for (let row = 0; row < batch.n; row += 1) {
      const sample = sampleIn(recordValue(batch, row), context);
      if (sample !== undefined) this.#take(sample, batch.timestamps[row]!, context);
    }
  }

  flush(): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.#save();
  }

  #take(sample: BootstrapSample, atMs: number, context: ProcessorContext): void {
    this.#changed = true;
    if (sample.dims !== this.#dims) this.#beginAnew(sample.dims);
    for (const value of sample.values) this.#values.push(value);
    for (const weight of sample.weights) this.#weights.push(weight);
    this.#timestampMs = Math.max(this.#timestampMs, sample.timestampMs);
    const current = this.#models.current();
    if (current === undefined) return;
    if (this.#trial !== undefined && !isAbout(this.#trial.setting, current))
      this.#beginAnew(sample.dims);
    if (this.#trial === undefined) this.#begin(current, atMs, context);
    const trial = this.#trial;
    if (trial === undefined) return;
    while (this.#weights.length >= blockRows) {
      trial.take(this.#block(blockRows));
      if (trial.blocks % reportEveryBlocks === 0) this.#report(trial, current, context);
    }
  }

  /** All contenders begin at the rows gathered so far. */
  #begin(current: Model, atMs: number, context: ProcessorContext): void {
    const setting = settingOf(this.#options, current);
    const k = Math.max(...setting.contenders.map((contender) => contender.k));
    const rows = this.#weights.length;
    if (rows < Math.max(startRowsMin, startRowsPerCluster * k)) return;
    const block = this.#block(rows);
    try {
      this.#trial = ChallengerTrial.begin(setting, block, this.#kernels);
      this.#startedAtMs = atMs;
      this.#isNew = true;
      const names = setting.contenders.map(({ name }) => name);
      context.logger.info({ names, rows }, 'challengers run beside the model in use');
    } catch (error) {
      if (!(error instanceof MeanstreamError)) throw error;
      context.logger.info({ err: error }, 'challengers wait for points that differ');
      if (rows > waitingRowsMax) return;
      this.#values = [...block.values];
      this.#weights = [...block.weights];
    }
  }

  #beginAnew(dims: number): void {
    this.#trial = undefined;
    this.#dims = dims;
    this.#values = [];
    this.#weights = [];
  }

  #block(n: number) {
    const dims = this.#dims;
    const values = Float32Array.from(this.#values.splice(0, n * dims));
    const weights = Float32Array.from(this.#weights.splice(0, n));
    return { values, weights, n, dims, timestampMs: this.#timestampMs };
  }

  #report(trial: ChallengerTrial, { version }: Model, context: ProcessorContext): void {
    const timestampMs = context.currentSystemTimeMs();
    const about = { modelVersion: version, startedAtMs: this.#startedAtMs, timestampMs };
    const value = encodeChallengerReport({ ...about, ...trial.result() });
    context.output(topics.challengers).append(timestampMs, key, value);
  }

  #restore(header: Header, rows: ReadonlyMap<string, Float64Array>): void {
    const { trial, dims, weights, timestampMs, startedAtMs } = header;
    this.#dims = dims;
    this.#weights = [...weights];
    this.#values = [...(rows.get('waiting') ?? [])];
    this.#timestampMs = timestampMs;
    this.#startedAtMs = startedAtMs;
    if (trial === null) return;
    const models = trial.setting.contenders.map(({ k }, i) => ({
      basis: rows.get(`${i}/basis`)!,
      header: rows.get(`${i}/header`)!,
      clusters: Array.from({ length: k }, (_, j) => rows.get(`${i}/${j}`)!),
    }));
    this.#trial = ChallengerTrial.restore({ ...trial, models }, this.#kernels);
  }

  #save(): void {
    const { challengers } = this.#options;
    const rows = new Set(['waiting']);
    this.#store.putCluster('waiting', Float64Array.from(this.#values));
    let trial: Header['trial'] = null;
    if (this.#trial !== undefined) {
      const { models, ...rest } = this.#trial.records();
      trial = rest;
      const changed = this.#trial.takeChanged();
      for (const [i, { basis, header, clusters }] of models.entries()) {
        if (this.#isNew) this.#store.putCluster(`${i}/basis`, basis);
        this.#store.putCluster(`${i}/header`, header);
        for (const j of changed[i]!) this.#store.putCluster(`${i}/${j}`, clusters[j]!);
        for (const name of ['basis', 'header', ...clusters.keys()]) rows.add(`${i}/${name}`);
      }
    }
    for (const name of this.#stored) if (!rows.has(name)) this.#store.deleteCluster(name);
    this.#stored = rows;
    this.#isNew = false;
    this.#store.putHeader({
      ...{ challengers, trial, dims: this.#dims, weights: Float64Array.from(this.#weights) },
      ...{ timestampMs: this.#timestampMs, startedAtMs: this.#startedAtMs },
    });
  }
}

/** The model in use first: what the others are measured against. */
function settingOf(
  { challengers, scaling, seed }: CompareChallengersOptions,
  { k, halfLife, metric, missing }: Model,
): TrialSetting {
  const contenders = [
    { name: baselineName, k, halfLife },
    ...challengers.map((given) => ({
      name: given.name,
      k: given.k ?? k,
      halfLife: given.halfLife ?? halfLife,
    })),
  ];
  return { contenders, scaling: scaling && metric !== 'cosine', metric, missing, seed };
}

/** Whether a trial is about this model: its parameters are the baseline's. */
function isAbout({ contenders, metric, missing }: TrialSetting, current: Model): boolean {
  const { k, halfLife } = contenders[0]!;
  return (
    k === current.k &&
    halfLife.unit === current.halfLife.unit &&
    halfLife.value === current.halfLife.value &&
    metric === current.metric &&
    missing === current.missing
  );
}

function isSame(before: readonly Challenger[], now: readonly Challenger[]): boolean {
  return JSON.stringify(before) === JSON.stringify(now);
}

function sampleIn(
  value: Uint8Array | null,
  context: ProcessorContext,
): BootstrapSample | undefined {
  try {
    const message = value === null ? undefined : decodeLearningMessage(value);
    return message?.kind === 'sample' ? message : undefined;
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error;
    context.logger.error({ err: error }, 'a record of the samples topic cannot be read');
    return undefined;
  }
}
