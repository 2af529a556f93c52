// Recomputes every version from the log, from the first delta on, and compares it with what was published.
//
// 1. Read `models` once for the births (x.y.0) and decisions, and `centroid-deltas` once for which version each delta names.
// 2. Walk `models` again in the order of the log. Before a record is compared, take in the deltas before its deltaOffset: each is
//    recomputed from the points of its range and the version it names, compared, and folded.
// 3. A birth begins a generation: seeded from the samples, refitted from range, seed, k and parent, or taken up from a former
//    champion. What was recomputed goes on, not what was recorded, so one wrong number is found where it came in.
//
// One version is in memory, and those that later deltas or births name. O(points · k · dims), as the stream itself.

import type { Broker } from '../broker/index.ts';
import { Assigner, chooseKernels, DeltaAccumulator } from '../clustering/index.ts';
import { refit } from '../jobs/index.ts';
import {
  FoldState,
  foldDelta,
  modelOf,
  SampleBuffer,
  seedFirst,
  takeUpCandidate,
  takeUpFormer,
} from '../processors/index.ts';
import {
  type CentroidDelta,
  compareVersions,
  decodeLearningMessage,
  decodeModel,
  generationOf,
  type LearningMessage,
  type Model,
  type ModelDecision,
  modelRecordKind,
  parseVersion,
  recordKey,
  recordValue,
  topics,
} from '../schemas/index.ts';
import { ModelRegistry } from '../state-stores/index.ts';
import { InvalidRecordError, InvalidSettingError } from '../support/index.ts';
import { checkArtifacts } from './check-artifacts.ts';
import { differences, type Shape } from './differences.ts';
import { emptyStore } from './empty-store.ts';
import { LogWalk } from './log-walk.ts';
import { PointCursor } from './point-cursor.ts';
import { lostBeginning, verifyAlone } from './verify-alone.ts';
import type { Finding, VerifyOptions, VerifyReport } from './verify-report.ts';

const findingsMax = 100;
const byFeature = ['mean', 'scale', 'featureMeans'];

/**
 * Where the log has lost its beginning, retrained versions are made again one by one (verify-alone.ts), and nothing else can be.
 * @throws InvalidSettingError when the version is not there, or retention has deleted what it was made from
 */
export async function verifyVersions(options: VerifyOptions): Promise<VerifyReport> {
  const registry = await registryOf(options.broker);
  const { version } = options;
  if (version !== undefined && registry.get(version) === undefined) {
    throw new InvalidSettingError(
      `There is no version ${version} on the topic ${topics.models}; \`meanstream models list\` shows what there is.`,
    );
  }
  const artifacts = await checkArtifacts(options, registry);
  const checked = { artifactsRead: artifacts.read, notRecomputed: [] };
  const lost = await lostBeginning(options.broker);
  const report =
    lost === undefined
      ? { ...checked, ...(await walk(options, registry, artifacts.broken)) }
      : { ...checked, ...(await verifyAlone(options, registry, { lost, ...artifacts })) };
  const findings = [...artifacts.findings, ...report.findings].slice(0, findingsMax);
  return { ...report, findings };
}

async function walk(options: VerifyOptions, registry: ModelRegistry, broken: ReadonlySet<string>) {
  const verification = new Verification(options, registry, broken);
  try {
    return await verification.run();
  } finally {
    await verification.close();
  }
}

class Verification {
  readonly #options: VerifyOptions;
  readonly #registry: ModelRegistry;
  /** Artifacts that cannot be read: what began with one is taken from its record. */
  readonly #broken: ReadonlySet<string>;
  readonly #kernels = chooseKernels().kernels;
  readonly #findings: Finding[] = [];
  readonly #cursors = new Map<number, PointCursor>();
  /** Versions that are still needed, as recomputed. */
  readonly #kept = new Map<string, Model>();
  /** How many deltas still to come name a version. */
  readonly #uses = new Map<string, number>();
  readonly #ancestors = new Set<string>();
  readonly #candidates = new Map<string, Model>();
  readonly #turns: readonly ModelDecision[];
  readonly #versions = new Set<string>();
  readonly #births: string[] = [];
  #state!: FoldState;
  #samples!: SampleBuffer;
  #deltas!: LogWalk;
  #records = 0;
  #deltasRecomputed = 0;
  #points = 0;
  #reached = false;

  constructor(options: VerifyOptions, registry: ModelRegistry, broken: ReadonlySet<string>) {
    this.#options = options;
    this.#registry = registry;
    this.#broken = broken;
    this.#turns = registry
      .decisions('champion')
      .filter(
        ({ action, outcome }) => outcome === 'applied' && (action === 'pin' || action === 'unpin'),
      );
    for (const { origin, parent } of registry.list()) {
      if (parent !== null && (origin === 'retrain' || origin === 'rollback')) {
        this.#ancestors.add(parent);
      }
    }
  }

  async run() {
    const { broker } = this.#options;
    this.#state = await FoldState.load(emptyStore, { unit: 'points', value: 1 });
    this.#samples = await SampleBuffer.load(emptyStore);
    await this.#countUses();
    this.#deltas = await LogWalk.open(broker, topics.centroidDeltas);
    const models = await LogWalk.open(broker, topics.models);
    try {
      for await (const { batch, row } of models.rows()) {
        const record = modelRecordKind(recordKey(batch, row));
        const value = recordValue(batch, row);
        if (record?.kind !== 'model' || value === null) continue;
        await this.#compareRecord(record.name, value);
        if (this.#reached) break;
      }
    } finally {
      await models.close();
    }
    // Deltas that no version has been published after: of a pinned model, or on their way when the log was read.
    if (this.#options.version === undefined) await this.#takeInDeltas(this.#deltas.end);
    return {
      findings: this.#findings,
      recordsCompared: this.#records,
      versionsCompared: this.#versions.size,
      birthsRecomputed: this.#births,
      deltasRecomputed: this.#deltasRecomputed,
      pointsReplayed: this.#points,
    };
  }

  async close(): Promise<void> {
    await this.#deltas?.close();
    for (const cursor of this.#cursors.values()) await cursor.close();
  }

  /** A first pass over the deltas: which versions they name, and that the log still begins with the first. */
  async #countUses(): Promise<void> {
    const walk = await LogWalk.open(this.#options.broker, topics.centroidDeltas);
    try {
      for await (const { batch, row } of walk.rows()) {
        const message = decodedMessage(recordValue(batch, row));
        if (message?.kind !== 'delta') continue;
        const { modelVersion } = message;
        this.#uses.set(modelVersion, (this.#uses.get(modelVersion) ?? 0) + 1);
      }
    } finally {
      await walk.close();
    }
  }

  async #compareRecord(name: string, value: Uint8Array): Promise<void> {
    const recorded = decodedModel(value);
    if (recorded === undefined) {
      this.#find(`the record of ${name}`, 'all of it', 'not a model', 'a model');
      return;
    }
    if (name !== 'current' && recorded.version !== name) {
      this.#find(`the record of ${name}`, 'version', recorded.version, name);
    }
    if (recorded.deltaOffset < 0) return this.#compareCandidate(recorded);
    await this.#takeInDeltas(recorded.deltaOffset);
    if (generationOf(recorded.version) !== this.#state.generation?.name) {
      await this.#begin(recorded);
    }
    if (this.#state.version === undefined) return;
    this.#compareModel(recorded);
    const { version } = this.#options;
    const { version: at } = this.#state;
    this.#reached ||= name !== 'current' && version === recorded.version;
    this.#reached ||=
      version !== undefined && at !== undefined && isLast(version, at, this.#registry);
  }

  /** A candidate that is promoted is compared again as a birth; one that never was, only here. */
  async #compareCandidate(recorded: Model): Promise<void> {
    const { version, parent, origin } = recorded;
    // What was pruned stands in the log until it is compacted, but what it was made from may be gone.
    if (origin !== 'retrain' || this.#registry.isPruned(version)) return;
    const before = parent === null ? undefined : this.#kept.get(parent);
    if (before === undefined) {
      this.#find(`version ${version}`, 'parent', String(parent), 'a version that was recomputed');
      return;
    }
    const recomputed = await this.#refitted(recorded, before);
    this.#records += 1;
    this.#versions.add(version);
    const { clusterIds: rows, dims } = recomputed;
    this.#compare(`version ${version}`, recorded, recomputed, { rows, dims, byFeature });
    this.#candidates.set(version, recomputed);
    this.#reached ||= version === this.#options.version && this.#isCandidate(version);
  }

  #isCandidate(version: string): boolean {
    return this.#registry.get(version)!.deltaOffset < 0;
  }

  #compareModel(recorded: Model): void {
    const { createdAtMs, codeVersion } = recorded;
    const recomputed = modelOf(this.#state, codeVersion, createdAtMs);
    this.#records += 1;
    this.#versions.add(recorded.version);
    const { clusterIds: rows, dims } = recomputed;
    this.#compare(`version ${recorded.version}`, recorded, recomputed, { rows, dims, byFeature });
  }

  async #takeInDeltas(deltaOffset: number): Promise<void> {
    for await (const { batch, row, offset } of this.#deltas.rows(deltaOffset)) {
      const message = decodedMessage(recordValue(batch, row));
      if (message?.kind === 'sample' && this.#state.generation === undefined) {
        this.#samples.add(message, this.#options.first);
      }
      if (message?.kind === 'delta') await this.#takeIn(message, offset);
      this.#state.deltaOffset = offset + 1;
    }
    this.#state.deltaOffset = deltaOffset;
  }

  async #takeIn(delta: CentroidDelta, offset: number): Promise<void> {
    await this.#recomputeDelta(delta);
    const left = this.#uses.get(delta.modelVersion)! - 1;
    this.#uses.set(delta.modelVersion, left);
    this.#forget(delta.modelVersion);
    if (this.#isPinned(offset)) return;
    if (foldDelta(this.#state, delta) === 'folded') this.#keepIfNeeded();
  }

  #isPinned(deltaOffset: number): boolean {
    const turn = this.#turns.findLast(({ deltaOffset: at }) => at <= deltaOffset);
    return turn?.action === 'pin';
  }

  #keepIfNeeded(): void {
    const version = this.#state.version!;
    if (!this.#ancestors.has(version) && !(this.#uses.get(version)! > 0)) return;
    this.#kept.set(version, modelOf(this.#state, '', 0));
  }

  #forget(version: string): void {
    if (this.#uses.get(version)! > 0 || this.#ancestors.has(version)) return;
    this.#kept.delete(version);
  }

  /** From the points of its range, against the version it names, as recomputed. */
  async #recomputeDelta(delta: CentroidDelta): Promise<void> {
    const { partition, fromOffset, nextOffset, modelVersion } = delta;
    const of = `the delta of partition ${partition}, offsets ${fromOffset} to ${nextOffset - 1}, against ${modelVersion}`;
    const model = this.#kept.get(modelVersion);
    if (model === undefined) {
      this.#find(of, 'modelVersion', modelVersion, 'no version of the log has this number');
      return;
    }
    const assigner = new Assigner(model, this.#kernels);
    const accumulator = new DeltaAccumulator(model, partition, this.#kernels);
    if (delta.timestampCapMs >= 0) accumulator.capTimestamps(delta.timestampCapMs);
    const cursor = await this.#cursorOf(partition);
    await cursor.range(fromOffset, nextOffset, model, (points, first, end) => {
      const { values, weights, offsets, timestamps, dims } = points;
      const rows = end - first;
      assigner.assign(values.subarray(first * dims, end * dims), rows);
      accumulator.add(
        assigner.points,
        weights.subarray(first, end),
        assigner.labels,
        assigner.euclidean,
        offsets.subarray(first, end),
        rows,
        timestamps.subarray(first, end),
        assigner.partial,
      );
      this.#points += rows;
    });
    this.#deltasRecomputed += 1;
    const rows = Array.from(delta.clusters, (slot) => model.clusterIds[slot] ?? `slot ${slot}`);
    this.#compare(of, delta, accumulator.take(), { rows, dims: model.dims, byFeature: [] });
    this.#options.onProgress?.({
      ...{ deltas: this.#deltasRecomputed, of: this.#deltas.end, version: this.#state.version },
    });
  }

  async #cursorOf(partition: number): Promise<PointCursor> {
    const open = this.#cursors.get(partition);
    if (open !== undefined) return open;
    const { broker, decoder } = this.#options;
    const bounds = (await broker.listOffsets(topics.points)).find(
      (entry) => entry.partition === partition,
    );
    const { logStart = 0 } = bounds ?? {};
    const cursor = new PointCursor(broker, partition, logStart, decoder());
    this.#cursors.set(partition, cursor);
    return cursor;
  }

  /** The first version of a generation, made again. */
  async #begin(birth: Model): Promise<void> {
    const { version, origin, halfLife } = birth;
    if (parseVersion(version).patch !== 0) {
      this.#find(`version ${version}`, 'parent', 'no birth of its generation is recorded', 'x.y.0');
      return;
    }
    this.#state.useHalfLife(halfLife);
    const begun = await this.#beginAs(origin, birth);
    if (!begun) return;
    this.#births.push(version);
    this.#keepIfNeeded();
  }

  async #beginAs(origin: Model['origin'], birth: Model): Promise<boolean> {
    const { version, parent } = birth;
    if (origin === 'bootstrap') {
      const distinct = seedFirst(this.#state, this.#samples, this.#options.first);
      if (this.#state.generation !== undefined) return true;
      this.#find(`version ${version}`, 'k', String(birth.k), `${distinct} distinct points`);
      return false;
    }
    const before = parent === null ? undefined : this.#kept.get(parent);
    if (origin === 'import') {
      // Nobody can make again what came from outside: it is compared with itself from here on.
      takeUpCandidate(this.#state, birth);
      return true;
    }
    if (before === undefined) {
      this.#find(`version ${version}`, 'parent', String(parent), 'a version that was recomputed');
      return false;
    }
    if (origin === 'rollback') takeUpFormer(this.#state, before, generationOf(version));
    else {
      const candidate = this.#candidates.get(version) ?? (await this.#refitted(birth, before));
      this.#candidates.delete(version);
      takeUpCandidate(this.#state, candidate);
    }
    return true;
  }

  async #refitted(made: Model, parent: Model): Promise<Model> {
    const { broker, decoder, fit, artifacts } = this.#options;
    if (this.#broken.has(made.parameters?.coreset ?? '')) return made;
    return refit({ made, parent, broker, decode: decoder(), fit, artifacts });
  }

  #compare(of: string, recorded: object, recomputed: object, shape: Shape): void {
    for (const { where, ...values } of differences(recorded, recomputed, shape)) {
      this.#find(of, where, values.recorded, values.recomputed);
    }
  }

  #find(of: string, where: string, recorded: string, recomputed: string): void {
    if (this.#findings.length < findingsMax) {
      this.#findings.push({ of, where, recorded, recomputed });
    }
  }
}

/** Whether all records of a version lie behind: the walk has come past it in its own generation. */
function isLast(version: string, at: string, registry: ModelRegistry): boolean {
  const current = registry.current()?.version;
  if (version === current) return version === at;
  return generationOf(version) === generationOf(at) && compareVersions(at, version) > 0;
}

async function registryOf(broker: Broker): Promise<ModelRegistry> {
  const registry = new ModelRegistry();
  const walk = await LogWalk.open(broker, topics.models);
  try {
    for await (const batch of walk.batches()) registry.apply(batch);
  } finally {
    await walk.close();
  }
  return registry;
}

function decodedModel(value: Uint8Array): Model | undefined {
  try {
    return decodeModel(value);
  } catch (error) {
    if (error instanceof InvalidRecordError) return undefined;
    throw error;
  }
}

function decodedMessage(value: Uint8Array | null): LearningMessage | undefined {
  try {
    return value === null ? undefined : decodeLearningMessage(value);
  } catch (error) {
    if (error instanceof InvalidRecordError) return undefined;
    throw error;
  }
}
