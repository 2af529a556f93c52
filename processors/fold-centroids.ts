// The owner of the model. Folds every delta, in the order of the log, into its online model, and publishes the result.
//
//   no model      collect samples ──► enough rows, or enough time and k distinct points ──► seed: version x.0.0. A fit that takes
//                 long has a thread of its own; what comes meanwhile waits in the log, so that it learns from the same samples
//   delta         one decay step each: PATCH counts them, so state and version are functions of the log alone
//   promote       a candidate takes the place of the state; deltas of the generation before it are left out
//   rollback      so does what a former champion had learned, as a generation of its own, whose number has to be claimed first:
//                 jobs take numbers too (jobs/publish-version.ts)
//   pin           deltas are read and left out, until unpin
//
// Every command, obeyed or refused, is a decision on `models`: in the log of one partition with the versions it is about.
//
// The whole state is in memory and, cluster by cluster, in the changelogged store; a restart goes on bit for bit.

import {
  BootstrapThread,
  bootstrapModel,
  chooseKernels,
  type FirstModel,
  type HalfLife,
  type OnlineModel,
  threadsAvailable,
} from '../clustering/index.ts';
import {
  type CentroidDelta,
  type ClusterEvent,
  claimKey,
  compareVersions,
  decisionKey,
  decodeLearningMessage,
  decodeModelCommand,
  decodeRetrainCommand,
  encodeClaim,
  encodeClusterEvent,
  encodeModel,
  encodeModelDecision,
  generationOf,
  type LearningMessage,
  type Metric,
  type MissingPolicy,
  type Model,
  type ModelAlias,
  type ModelCommand,
  type ModelDecision,
  modelKey,
  nextGeneration,
  type RecordBatch,
  recordValue,
  topics,
} from '../schemas/index.ts';
import { type KeyValueStore, type ModelRegistry, neededVersions } from '../state-stores/index.ts';
import { InvalidRecordError } from '../support/index.ts';
import { afterDecision, aliasOf, refusalOf, versionAsked } from './decided.ts';
import { FoldState } from './fold-state.ts';
import { lineageEvents } from './lineage-events.ts';
import {
  beginFirst,
  distinctPoints,
  firstProblem,
  foldDelta,
  type NamedEvent,
  takeUpCandidate,
  takeUpFormer,
} from './owner-steps.ts';
import type { Processor, ProcessorContext } from './processor.ts';
import { modelOf } from './published-model.ts';
import { SampleBuffer } from './sample-buffer.ts';

export interface FoldCentroidsOptions {
  readonly k: number;
  /** 0: the first sample decides. */
  readonly dimensions: number;
  readonly scaling: boolean;
  /** Of the first model, like `missing`; a promoted one has its own. */
  readonly metric: Metric;
  readonly missing: MissingPolicy;
  readonly seed: number;
  /** Of generations that begin from now on; one that is there keeps its own. */
  readonly halfLife: HalfLife;
  readonly bootstrapRows: number;
  readonly bootstrapWaitMs: number;
  readonly codeVersion: string;
}

/** What is asked for: by a command, or by the owner itself. */
type Asked = Omit<ModelCommand, 'command'> & {
  readonly command: ModelDecision['action'];
};

interface Outcome {
  readonly alias: ModelAlias;
  readonly version: string | null;
  readonly previous: string | null;
  readonly refusal?: string;
}

const bootstrapCheckMs = 200;
/** Rows × clusters × features of a first model that is fitted where it stands: half a second. */
const fitHereMax = 8e6;
/** A command whose candidate never appears is given up after this many deliveries. */
const deliveriesMax = 100;

export class FoldCentroids implements Processor<RecordBatch> {
  readonly #options: FoldCentroidsOptions;
  #state!: FoldState;
  #samples!: SampleBuffer;
  #models!: ModelRegistry;
  #firstSampleAtMs = -1;
  #deliveries = 0;
  /** Rows at the last attempt to seed that found too few distinct points. */
  #triedRows = -1;
  /** Of the first model, while it is under way. */
  #fit: BootstrapThread | undefined;
  /** State to be stored; a model to be published. */
  #changed = false;
  #publishDue = false;
  /** The generation it has claimed last. */
  #claimed: string | undefined;

  constructor(options: FoldCentroidsOptions) {
    this.#options = options;
  }

  async open(context: ProcessorContext): Promise<void> {
    const store = context.store<KeyValueStore>('centroids');
    this.#models = context.store<ModelRegistry>('models');
    this.#state = await FoldState.load(store, this.#options.halfLife);
    this.#samples = await SampleBuffer.load(store);
    if (this.#state.online !== undefined) this.#compareHalfLife(this.#state.online, context);
    if (this.#state.generation !== undefined) return;
    const cancel = context.schedule(bootstrapCheckMs, 'wall-clock', (nowMs) => {
      if (this.#state.generation !== undefined) cancel();
      else this.#seedAfterWaiting(nowMs, context);
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
        if (!this.#decideOnce(value, offset, context)) return;
        continue;
      }
      this.#seedWhenFull(context);
      if (this.#fit !== undefined) {
        context.retryLater(
          `waiting for the first model to be fitted to ${this.#samples.rows} points`,
        );
        return;
      }
      this.#learn(value, offset, context);
      this.#state.deltaOffset = offset + 1;
      this.#changed = true;
      if (this.#state.decided.pinnedBy === null) this.#publishDue = true;
    }
    this.#seedWhenFull(context);
  }

  flush(context: ProcessorContext): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.#state.save();
    this.#samples.save();
    if (!this.#publishDue) return;
    this.#publishDue = false;
    const model = this.#publishable(context);
    if (model !== undefined) publish(model, 'current', context);
  }

  close(): void {
    this.#dropFit();
  }

  #learn(value: Uint8Array | null, offset: number, context: ProcessorContext): void {
    const message = decoded(value, offset, context);
    if (message === undefined) return;
    if (message.kind === 'delta') this.#fold(message, context);
    else if (this.#state.generation === undefined) this.#samples.add(message, this.#options);
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

  #seedWhenFull(context: ProcessorContext): void {
    if (this.#state.generation !== undefined) return;
    if (this.#isFull) this.#seed(context);
  }

  get #isFull(): boolean {
    return this.#samples.rows >= this.#options.bootstrapRows;
  }

  #seedAfterWaiting(nowMs: number, context: ProcessorContext): void {
    if (this.#samples.rows === 0) return;
    if (this.#firstSampleAtMs < 0) this.#firstSampleAtMs = nowMs;
    const hasWaited = nowMs - this.#firstSampleAtMs >= this.#options.bootstrapWaitMs;
    if (hasWaited || this.#isFull) this.#seed(context);
  }

  /** Called again while a fit is under way, and then takes its model. */
  #seed(context: ProcessorContext): void {
    if (this.#fit !== undefined) {
      this.#takeFitted(this.#fit, context);
      return;
    }
    const { k } = this.#options;
    const { rows } = this.#samples;
    if (rows === this.#triedRows) return;
    this.#triedRows = rows;
    const problem = firstProblem(this.#samples, this.#options);
    const distinct = distinctPoints(problem);
    if (distinct < k) {
      const text = `waiting for ${k} distinct points to seed ${k} clusters; ${distinct} so far`;
      context.logger.info({ rows, distinct, k }, text);
    } else if (rows * k * problem.dims <= fitHereMax || !threadsAvailable()) {
      const { kernels } = chooseKernels();
      this.#begin(bootstrapModel({ ...problem, kernels }), context);
    } else {
      context.logger.info({ rows, k }, `the first model is being fitted to ${rows} points`);
      this.#fit = new BootstrapThread(problem);
    }
  }

  #takeFitted(fit: BootstrapThread, context: ProcessorContext): void {
    const { model } = fit;
    if (model === undefined) return;
    this.#dropFit();
    this.#begin(model, context);
  }

  #dropFit(): void {
    void this.#fit?.close();
    this.#fit = undefined;
  }

  #begin(first: FirstModel, context: ProcessorContext): void {
    const { k } = this.#options;
    const { rows } = this.#samples;
    beginFirst(this.#state, this.#samples, this.#options, first);
    this.#birth(context, []);
    const timestamp = context.currentSystemTimeMs();
    const reason = `seeded from ${rows} points`;
    this.#decide(
      { command: 'bootstrap', requestedBy: context.applicationId, reason, timestampMs: timestamp },
      { alias: 'champion', version: this.#state.version!, previous: null },
      context,
    );
    context.logger.info({ rows, k }, 'the first model is seeded: version 1.0.0');
  }

  /** A batch comes again from its first row where a command in it has to wait. @returns false when this one has to */
  #decideOnce(value: Uint8Array | null, offset: number, context: ProcessorContext): boolean {
    const { waitingCommand } = this.#state;
    if (offset < waitingCommand) return true;
    const done = this.#obey(value, offset, context);
    this.#state.waitingCommand = done ? 0 : offset;
    this.#changed ||= this.#state.waitingCommand !== waitingCommand;
    return done;
  }

  /** @returns false when the command has to be delivered again */
  #obey(value: Uint8Array | null, offset: number, context: ProcessorContext): boolean {
    const command = commandIn(value, context);
    if (command === undefined) return true;
    const { decided, version: current } = this.#state;
    const version = versionAsked(command, decided);
    const named = version === null ? undefined : this.#versionNamed(version);
    const refusal =
      refusalOf(command, decided, current) ??
      (command.command === 'prune' ? this.#pruneRefusal(command) : undefined) ??
      (version !== null && named === undefined ? this.#unknown(version, command) : undefined);
    if (refusal === 'later') {
      this.#deliveries += 1;
      context.retryLater(`waiting for version ${version} to appear on ${topics.models}`);
      return false;
    }
    this.#deliveries = 0;
    if (refusal !== undefined) {
      this.#refuse(command, refusal, context);
      return true;
    }
    const isRollback = command.command === 'rollback';
    const name = isRollback ? this.#nameFor(named!, offset, context) : undefined;
    if (isRollback && name === undefined) return false;
    this.#apply(command, named, name, context);
    return true;
  }

  #versionNamed(version: string): Model | undefined {
    return this.#isPruned(version) ? undefined : this.#models.get(version);
  }

  /** Also when the reader of `models` has not heard of it yet. */
  #isPruned(version: string): boolean {
    const { pruned = [] } = this.#state.decided;
    return pruned.includes(version) || this.#models.isPruned(version);
  }

  /** All that is asked for, or nothing: whoever asked has seen other aliases when something is needed. */
  #pruneRefusal({ versions = [] }: ModelCommand): string | undefined {
    const { decided, version: current } = this.#state;
    if (this.#models.decisionNumber < decided.number) {
      return `decision ${decided.number} has just been made; look again`;
    }
    const facts = this.#models.keptVersions().flatMap((name) => this.#models.kept(name) ?? []);
    const { replaced, aliases } = decided;
    const { challenger, shadow } = aliases;
    const others = { challenger: challenger?.version, shadow: shadow?.version };
    const holders = { current, aliases: others, replaced, versions: facts };
    const needed = neededVersions(holders, new Set(versions));
    const [one] = needed;
    if (one !== undefined) return `version ${one[0]} is needed: ${one[1]}`;
    const gone = versions.find((version) => this.#models.kept(version) === undefined);
    return gone && `version ${gone} is not on the topic ${topics.models}`;
  }

  #prune(versions: readonly string[], context: ProcessorContext): void {
    const output = context.output(topics.models);
    for (const version of versions) {
      output.append(context.currentSystemTimeMs(), modelKey(version), null);
    }
    context.logger.info({ versions }, `${versions.length} versions are pruned`);
  }

  /** The generation that a rollback has claimed before anybody else; undefined as long as its claim has to be read first. */
  #nameFor(former: Model, offset: number, context: ProcessorContext): string | undefined {
    // The same after a crash: what was claimed for this command is its own.
    const claimant = `rollback-${offset}`;
    const { births } = this.#state.decided;
    const lived = new Set([...Object.keys(births), ...this.#models.versions().map(generationOf)]);
    const own = this.#models.claimsOf(claimant).find((claimed) => !lived.has(claimed));
    if (own === undefined) this.#claim(this.#nextName(former), claimant, context);
    return own;
  }

  #nextName(former: Model): string {
    const { online, decided, version } = this.#state;
    const { k, dims, metric = 'euclidean' } = online!.basis;
    const lived = Object.keys(decided.births).map((generation) => `${generation}.0`);
    const current = { version: version!, k, dims, metric };
    return nextGeneration(current, former, [...lived, ...this.#models.knownNames()]);
  }

  /** The command comes again until the claim is read, or one to the same is read before it. */
  #claim(name: string, claimant: string, context: ProcessorContext): void {
    context.retryLater(`waiting for version ${name}.0 to be its own`);
    if (this.#claimed === name) return;
    this.#claimed = name;
    const nowMs = context.currentSystemTimeMs();
    const value = encodeClaim(name, claimant, nowMs);
    context.output(topics.models).append(nowMs, claimKey(name, claimant), value);
  }

  /**
   * What publishes a version and what names it write to different topics: one may be seen before the other. But an old version
   * that is not there, and that nobody has claimed to bring, will not come.
   */
  #unknown(version: string, { command }: ModelCommand): string {
    const { decided, version: current } = this.#state;
    if (this.#isPruned(version)) return `version ${version} was pruned`;
    const isOld = current !== undefined && compareVersions(version, current) < 0;
    const isClaimed = this.#models.knownNames().includes(version);
    const mayCome = command === 'rollback' ? version === decided.replaced : !isOld || isClaimed;
    if (mayCome && this.#deliveries < deliveriesMax) return 'later';
    return `version ${version} is not on the topic ${topics.models}`;
  }

  /** @param own the generation that a rollback begins */
  #apply(
    command: ModelCommand,
    named: Model | undefined,
    own: string | undefined,
    context: ProcessorContext,
  ): void {
    const { command: name } = command;
    const alias = aliasOf(command);
    const before = alias === 'champion' ? this.#state.version : this.#pointsAt(alias);
    const previous = before ?? null;
    if (name === 'promote') this.#promote(named!, context);
    else if (name === 'rollback') this.#rollBack(named!, own!, context);
    else if (name === 'prune') this.#prune(command.versions!, context);
    const now = name === 'alias' ? named?.version : this.#state.version;
    this.#decide(command, { alias, version: now ?? null, previous }, context);
    this.#retireShadow(command, named, context);
  }

  #pointsAt(alias: ModelAlias): string | undefined {
    return this.#state.decided.aliases[alias]?.version ?? undefined;
  }

  /** What has become champion is no longer beside it. */
  #retireShadow(command: ModelCommand, named: Model | undefined, context: ProcessorContext): void {
    if (command.command !== 'promote') return;
    for (const alias of ['shadow', 'challenger'] as const) {
      const previous = this.#pointsAt(alias);
      if (previous === undefined || previous !== named?.version) continue;
      const { requestedBy, timestampMs } = command;
      const retiring = { command: 'alias', requestedBy, timestampMs } as const;
      const reason = `version ${previous} has become champion`;
      this.#decide({ ...retiring, reason }, { alias, version: null, previous }, context);
    }
  }

  #promote(candidate: Model, context: ProcessorContext): void {
    this.#succeed(() => takeUpCandidate(this.#state, candidate), context);
  }

  #rollBack(former: Model, name: string, context: ProcessorContext): void {
    this.#succeed(() => takeUpFormer(this.#state, former, name), context);
  }

  /** What is replaced is kept under its version: a rollback begins from it. */
  #succeed(takeUp: () => void, context: ProcessorContext): void {
    const before = this.#state.clusterIds.slice();
    const outgoing = this.#publishable(context);
    if (outgoing !== undefined) publish(outgoing, outgoing.version, context);
    takeUp();
    this.#dropFit();
    this.#samples.clear();
    this.#birth(context, before);
    const { version, generation } = this.#state;
    context.logger.info({ version, parent: generation?.parent }, 'another model is current');
  }

  /** Publishes x.y.0 for good and says what became of each cluster. */
  #birth(context: ProcessorContext, before: readonly string[]): void {
    this.#publishDue = true;
    const model = this.#publishable(context)!;
    publish(model, model.version, context);
    const timestampMs = context.currentSystemTimeMs();
    for (const event of lineageEvents(before, model.clusterIds, model.lineage)) {
      emit({ ...event, modelVersion: model.version, timestampMs }, context);
    }
  }

  #refuse(command: ModelCommand, refusal: string, context: ProcessorContext): void {
    const alias = aliasOf(command);
    const version = (alias === 'champion' ? this.#state.version : this.#pointsAt(alias)) ?? null;
    context.logger.warn({ command: command.command, version: command.version, refusal }, 'refused');
    this.#decide(command, { alias, version, previous: version, refusal }, context);
  }

  #decide(asked: Asked, outcome: Outcome, context: ProcessorContext): void {
    const { alias, version, previous, refusal = null } = outcome;
    const decision: ModelDecision = {
      number: this.#state.decided.number + 1,
      action: asked.command,
      alias,
      outcome: refusal === null ? 'applied' : 'refused',
      refusal,
      asked: asked.version ?? null,
      version,
      previous,
      commandId: asked.id ?? null,
      requestedBy: asked.requestedBy,
      reason: asked.reason,
      requestedAtMs: asked.timestampMs,
      decidedAtMs: context.currentSystemTimeMs(),
      deltaOffset: this.#state.deltaOffset,
      ...(asked.command === 'prune' && refusal === null && { pruned: asked.versions! }),
    };
    this.#state.decided = afterDecision(this.#state.decided, decision);
    this.#changed = true;
    const key = decisionKey(decision.number);
    const value = encodeModelDecision(decision);
    context.output(topics.models).append(decision.decidedAtMs, key, value);
  }

  #publishable(context: ProcessorContext): Model | undefined {
    if (this.#state.online === undefined) return undefined;
    const model = modelOf(this.#state, this.#options.codeVersion, context.currentSystemTimeMs());
    context.metrics.clustersActive.set(model.k);
    context.metrics.quantizationError.set(model.quality.meanSquaredDistance);
    return model;
  }
}

function publish(model: Model, name: string, context: ProcessorContext): void {
  const key = modelKey(name);
  context.output(topics.models).append(model.createdAtMs, key, encodeModel(model));
}

function emit(event: ClusterEvent, context: ProcessorContext): void {
  const key = new TextEncoder().encode(event.clusterId);
  const nowMs = context.currentSystemTimeMs();
  context.output(topics.clusterEvents).append(nowMs, key, encodeClusterEvent(event));
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

function commandIn(value: Uint8Array | null, context: ProcessorContext): ModelCommand | undefined {
  try {
    // Requests for retrains are for whoever runs them.
    if (value !== null && decodeRetrainCommand(value) === undefined) {
      return decodeModelCommand(value);
    }
  } catch (error) {
    if (!(error instanceof InvalidRecordError)) throw error;
    context.logger.warn({ err: error }, 'a model command cannot be read; it was left out');
  }
  return undefined;
}
