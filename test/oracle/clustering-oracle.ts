// The judge of crash tests: a plain single-threaded program that reads what the logs hold after a run and works all of it out
// again, one record at a time, with the pure functions of clustering/ and nothing of processors/ or runtime/.
//
//   1. every point has exactly one assignment or one dead letter, and a dead letter only if it is no point
//   2. every centroid delta equals, bit for bit, what its range of points adds up to against its model version
//   3. every assignment is what the model version of the delta that covers it says
//   4. every model equals, bit for bit, the fold of the deltas before its deltaOffset, from the samples, the candidate or the
//      former champion it began with, but for those that came while it was pinned
//
// It takes decoded records, not a broker: the caller reads the topics, preferably with somebody else's client.

import {
  Assigner,
  bootstrapModel,
  chooseKernels,
  DeltaAccumulator,
  type HalfLife,
  type Kernels,
  OnlineModel,
  type OnlineRecords,
} from '../../clustering/index.ts';
import {
  type Assignment,
  type BootstrapSample,
  type CentroidDelta,
  generationOf,
  keyText,
  type LearningMessage,
  type Model,
  type ModelDecision,
  type OffsetRange,
  parseVersion,
} from '../../schemas/index.ts';
import { plainPoint, type RecordedPoint } from './plain-point.ts';

export type { RecordedPoint } from './plain-point.ts';

export interface RecordedLogs {
  /** All partitions of `points`, in any order of partitions, each in the order of its offsets. */
  readonly points: readonly RecordedPoint[];
  readonly assignments: readonly Assignment[];
  /** Source of each dead letter. */
  readonly deadLetters: readonly { readonly partition: number; readonly offset: number }[];
  readonly centroidDeltas: readonly {
    readonly offset: number;
    readonly message: LearningMessage;
  }[];
  /** In log order, with the version or "current" of the key. The topic must not have been compacted. */
  readonly models: readonly { readonly name: string; readonly model: Model }[];
  /** In the order of the log. */
  readonly decisions?: readonly ModelDecision[];
}

export interface OracleOptions {
  readonly format: 'json' | 'float32';
  readonly k: number;
  readonly scaling: boolean;
  /** Default: Euclidean. */
  readonly metric?: Model['metric'];
  /** Default: reject. */
  readonly missing?: Model['missing'];
  readonly seed: number;
  readonly halfLife: HalfLife;
  readonly kernels?: Kernels;
}

export interface Verdict {
  /** What is wrong, in words; nothing when all is equal. At most 20. */
  readonly findings: readonly string[];
  readonly points: number;
  readonly assigned: number;
  readonly deltas: number;
  readonly modelsChecked: number;
  /** The owner's state after the last delta: what its store must hold. */
  readonly final:
    | {
        readonly version: string;
        readonly clusterIds: readonly string[];
        readonly records: OnlineRecords;
      }
    | undefined;
}

export function judge(logs: RecordedLogs, options: OracleOptions): Verdict {
  const oracle = new Oracle(logs, options);
  oracle.checkOnce();
  oracle.checkDeltas();
  const final = oracle.checkModels();
  return {
    findings: oracle.findings.slice(0, 20),
    points: logs.points.length,
    assigned: logs.assignments.length,
    deltas: oracle.deltas.length,
    modelsChecked: oracle.modelsChecked,
    final,
  };
}

interface Folding {
  readonly generation: string;
  readonly online: OnlineModel;
  readonly missing: Model['missing'];
  readonly featureMeans: Float64Array;
  readonly clusterIds: string[];
  readonly offsets: Record<string, OffsetRange>;
  nextClusterNumber: number;
}

class Oracle {
  readonly findings: string[] = [];
  readonly deltas: readonly CentroidDelta[];
  modelsChecked = 0;
  readonly #logs: RecordedLogs;
  readonly #options: OracleOptions;
  readonly #kernels: Kernels;
  readonly #assignments = new Map<string, Assignment>();
  readonly #byVersion = new Map<string, Model>();
  readonly #pointsOf = new Map<number, RecordedPoint[]>();

  constructor(logs: RecordedLogs, options: OracleOptions) {
    this.#logs = logs;
    this.#options = options;
    this.#kernels = options.kernels ?? chooseKernels().kernels;
    this.deltas = logs.centroidDeltas
      .map(({ message }) => message)
      .filter((message) => message.kind === 'delta');
    for (const { name, model } of logs.models) {
      if (name === 'current' || model.deltaOffset >= 0) this.#byVersion.set(model.version, model);
    }
    for (const point of logs.points) {
      const points = this.#pointsOf.get(point.partition) ?? [];
      this.#pointsOf.set(point.partition, points);
      points.push(point);
    }
  }

  checkOnce(): void {
    const seen = new Map<string, number>();
    const count = (partition: number, offset: number) => {
      const at = `${partition}-${offset}`;
      seen.set(at, (seen.get(at) ?? 0) + 1);
    };
    for (const assignment of this.#logs.assignments) {
      count(assignment.partition, assignment.offset);
      this.#assignments.set(`${assignment.partition}-${assignment.offset}`, assignment);
    }
    for (const { partition, offset } of this.#logs.deadLetters) count(partition, offset);
    for (const { partition, offset } of this.#logs.points) {
      const times = seen.get(`${partition}-${offset}`) ?? 0;
      if (times !== 1) this.#find(`point ${partition}-${offset} came out ${times} times`);
      seen.delete(`${partition}-${offset}`);
    }
    for (const at of seen.keys()) this.#find(`there is no point ${at}, but it came out`);
  }

  checkDeltas(): void {
    const covered = new Map<number, number>();
    for (const delta of this.deltas) {
      const { partition, fromOffset, nextOffset } = delta;
      const before = covered.get(partition) ?? 0;
      if (fromOffset < before) this.#find(`${nameOf(delta)} overlaps the range before it`);
      covered.set(partition, nextOffset);
      const model = this.#byVersion.get(delta.modelVersion);
      if (model === undefined) this.#find(`${nameOf(delta)} has a version that is not in the log`);
      else this.#checkDelta(delta, model);
    }
    for (const { partition, offset } of this.#assignments.values()) {
      this.#find(`the assignment of ${partition}-${offset} is in no delta`);
    }
  }

  /** Walks the log of deltas once; each model is compared when its deltaOffset is reached. */
  checkModels(): Verdict['final'] {
    const published = this.#logs.models.filter(({ model }) => model.deltaOffset >= 0);
    let at = 0;
    let folding: Folding | undefined;
    for (const { name, model } of published) {
      const rest = this.#logs.centroidDeltas.slice(at);
      const until = rest.findIndex(({ offset }) => offset >= model.deltaOffset);
      const due = until < 0 ? rest : rest.slice(0, until);
      at += due.length;
      this.#fold(folding, due);
      if (generationOf(model.version) !== folding?.generation)
        folding = this.#begin(model, folding?.online);
      if (folding === undefined) return undefined;
      this.#compareModel(name, model, folding);
    }
    if (folding === undefined) return undefined;
    this.#fold(folding, this.#logs.centroidDeltas.slice(at));
    const { online, clusterIds, generation } = folding;
    return { version: `${generation}.${online.patch}`, clusterIds, records: online.records() };
  }

  /** What came while the model was pinned was left out. */
  #fold(folding: Folding | undefined, deltas: RecordedLogs['centroidDeltas']): void {
    if (folding === undefined) return;
    for (const { offset, message } of deltas) if (!this.#isPinned(offset)) fold(folding, message);
  }

  #isPinned(deltaOffset: number): boolean {
    const turns = (this.#logs.decisions ?? []).filter(
      ({ action, outcome, deltaOffset: at }) =>
        outcome === 'applied' && (action === 'pin' || action === 'unpin') && at <= deltaOffset,
    );
    return turns.at(-1)?.action === 'pin';
  }

  #checkDelta(delta: CentroidDelta, model: Model): void {
    const { partition, fromOffset, nextOffset } = delta;
    const accumulator = new DeltaAccumulator(model, partition);
    const assigner = new Assigner(model, this.#kernels);
    if (delta.timestampCapMs >= 0) accumulator.capTimestamps(delta.timestampCapMs);
    for (const record of this.#pointsOf.get(partition) ?? []) {
      if (record.offset < fromOffset || record.offset >= nextOffset) continue;
      const point = plainPoint(record, model, this.#options.format);
      const at = `${partition}-${record.offset}`;
      const assignment = this.#assignments.get(at);
      if (point === undefined) {
        if (assignment !== undefined) this.#find(`${at} is no point but has an assignment`);
        continue;
      }
      if (assignment === undefined) {
        this.#find(`${at} is a point but has no assignment`);
        continue;
      }
      this.#assignments.delete(at);
      const { values, weight } = point;
      assigner.assign(values, 1);
      const { labels, distances, margins, outlierScores, euclidean, points, partial } = assigner;
      const [weights, offsets] = [Float32Array.of(weight), Float64Array.of(record.offset)];
      const timestamps = Float64Array.of(point.timestampMs);
      accumulator.add(points, weights, labels, euclidean, offsets, 1, timestamps, partial);
      const expected: Assignment = {
        key: record.key === null ? null : keyText(record.key),
        clusterId: model.clusterIds[labels[0]!]!,
        distance: distances[0]!,
        margin: margins[0]!,
        outlierScore: outlierScores[0]!,
        modelVersion: model.version,
        partition,
        offset: record.offset,
        timestamp: point.timestampMs,
      };
      this.#compare(`the assignment of ${at}`, inFloat32(assignment), expected);
    }
    if (accumulator.count === 0) this.#find(`${nameOf(delta)} covers no points`);
    const { kind, modelVersion } = delta;
    const about = { kind, modelVersion, partition, fromOffset, nextOffset };
    this.#compare(nameOf(delta), delta, { ...about, ...accumulator.take() });
  }

  #begin(model: Model, before: OnlineModel | undefined): Folding | undefined {
    const { version, clusterIds, nextClusterNumber, offsets, deltaOffset } = model;
    const start = this.#startOf(model);
    if (start === undefined || parseVersion(version).patch !== 0) {
      this.#find(`generation ${generationOf(version)} has no recorded beginning`);
      return undefined;
    }
    const { missing, featureMeans } = start;
    const samples = samplesBefore(this.#logs, deltaOffset);
    const timestampMs = Math.max(-1, ...samples.map((sample) => sample.timestampMs));
    const history = model.origin === 'bootstrap' ? { timestampMs } : before?.history();
    const online = OnlineModel.begin(start, { halfLife: this.#options.halfLife }, history);
    return {
      generation: generationOf(version),
      online,
      missing,
      featureMeans,
      clusterIds: [...clusterIds],
      nextClusterNumber,
      offsets: { ...offsets },
    };
  }

  #startOf(model: Model) {
    if (model.origin === 'bootstrap') return this.#seeded(model);
    if (model.origin !== 'rollback') return this.#candidate(model.version);
    const former = this.#logs.models.find(({ name }) => name === model.parent)?.model;
    if (former !== undefined) {
      const { clusterIds, offsets } = former;
      this.#compare(`the rollback to ${model.parent}`, model, { clusterIds, offsets });
    }
    return former;
  }

  #candidate(version: string): Model | undefined {
    return this.#logs.models.find(({ name, model }) => name === version && model.deltaOffset < 0)
      ?.model;
  }

  #seeded({ deltaOffset }: Model) {
    const { k, scaling, seed, metric, missing } = this.#options;
    const samples = samplesBefore(this.#logs, deltaOffset);
    const dims = samples[0]?.dims ?? 0;
    const values = Float32Array.from(samples.flatMap((sample) => [...sample.values]));
    const weights = Float32Array.from(samples.flatMap((sample) => [...sample.weights]));
    const n = weights.length;
    const space = { metric, missing, scaling };
    return bootstrapModel({ values, n, dims, k, weights, seed, kernels: this.#kernels, ...space });
  }

  #compareModel(name: string, model: Model, folding: Folding): void {
    this.modelsChecked += 1;
    const { online, clusterIds, nextClusterNumber, offsets } = folding;
    const { mean, scale, reference, metric } = online.basis;
    const { halfLife, landmarkMs } = online;
    const what = `model ${model.version} under "${name}" at delta offset ${model.deltaOffset}`;
    this.#compare(what, model, {
      version: `${folding.generation}.${online.patch}`,
      ...online.snapshot(),
      ...{ halfLife, landmarkMs },
      ...{ mean, scale, reference, metric, clusterIds, nextClusterNumber, offsets },
      ...{ missing: folding.missing, featureMeans: folding.featureMeans },
    });
  }

  /** Every field of `expected`, numbers by their bits. */
  #compare(what: string, actual: object, expected: object): void {
    const fields = actual as Record<string, unknown>;
    for (const [field, value] of Object.entries(expected)) {
      if (sameBits(fields[field], value)) continue;
      const [got, wanted] = [brief(fields[field]), brief(value)];
      this.#find(`${what}: ${field} is ${got}, not ${wanted}`);
    }
  }

  #find(finding: string): void {
    this.findings.push(finding);
  }
}

/** Its text has the digits that tell one float32 from another, and no more. */
function inFloat32(assignment: Assignment): Assignment {
  const { distance, margin, outlierScore } = assignment;
  return {
    ...assignment,
    distance: Math.fround(distance),
    margin: Math.fround(margin),
    outlierScore: Math.fround(outlierScore),
  };
}

function fold(folding: Folding, message: LearningMessage): void {
  if (message.kind !== 'delta') return;
  const { modelVersion, partition, fromOffset, nextOffset } = message;
  if (generationOf(modelVersion) !== folding.generation) return;
  const events = folding.online.fold(message, parseVersion(modelVersion).patch);
  for (const { type, slot } of events) {
    if (type === 'born' || type === 'split')
      folding.clusterIds[slot] = `c${folding.nextClusterNumber++}`;
  }
  const { from, to } = folding.offsets[partition] ?? { from: fromOffset, to: nextOffset };
  folding.offsets[partition] = { from: Math.min(from, fromOffset), to: Math.max(to, nextOffset) };
}

/** What a task sends again after a restart takes the place of what it sent before. */
function samplesBefore({ centroidDeltas }: RecordedLogs, deltaOffset: number): BootstrapSample[] {
  let kept: BootstrapSample[] = [];
  for (const { offset, message } of centroidDeltas) {
    if (offset >= deltaOffset || message.kind !== 'sample' || message.weights.length === 0)
      continue;
    if (kept.length > 0 && message.dims !== kept[0]!.dims) continue;
    const { partition, fromOffset } = message;
    kept = kept.filter((it) => it.partition !== partition || it.nextOffset <= fromOffset);
    kept.push(message);
  }
  return kept;
}

function sameBits(a: unknown, b: unknown): boolean {
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    const bytes = (view: ArrayBufferView) =>
      Buffer.from(view.buffer, view.byteOffset, view.byteLength);
    return a.constructor === b.constructor && bytes(a).equals(bytes(b));
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return Object.is(a, b) || (a === 0 && b === 0);
  }
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  return [...keys].every((key) => sameBits(x[key], y[key]));
}

function nameOf({ partition, fromOffset, nextOffset, modelVersion }: CentroidDelta): string {
  return `the delta of ${partition}: ${fromOffset} … ${nextOffset} against ${modelVersion}`;
}

function brief(value: unknown): string {
  const text = ArrayBuffer.isView(value)
    ? `[${Array.from(value as unknown as ArrayLike<number>)
        .slice(0, 6)
        .join(', ')} …]`
    : JSON.stringify(value);
  return (text ?? 'undefined').slice(0, 120);
}
