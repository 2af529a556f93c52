// Commands to the owner of the model, in the order of their log, each handled once.
//
//   promote    a candidate takes the place of the champion; deltas of the generation before it are left out
//   rollback   so does what a former champion had learned, as a generation of its own, whose number has to be claimed first:
//              jobs take numbers too (jobs/publish-version.ts)
//   pin        deltas are read and left out, until unpin
//   alias      points at a version
//   prune      versions that nothing needs are deleted
//
// Every command, obeyed or refused, is a decision (champion.ts). One whose version or claim may still come is delivered again.

import {
  claimKey,
  compareVersions,
  decodeModelCommand,
  decodeRetrainCommand,
  encodeClaim,
  generationOf,
  type Model,
  type ModelAlias,
  type ModelCommand,
  modelKey,
  nextGeneration,
  topics,
} from '../schemas/index.ts';
import { type ModelRegistry, neededVersions } from '../state-stores/index.ts';
import { InvalidRecordError } from '../support/index.ts';
import type { Champion } from './champion.ts';
import { aliasOf, refusalOf, versionAsked } from './decided.ts';
import type { FoldState } from './fold-state.ts';
import { takeUpCandidate, takeUpFormer } from './owner-steps.ts';
import type { ProcessorContext } from './processor.ts';

/** A command whose candidate never appears is given up after this many deliveries. */
const deliveriesMax = 100;

export class CommandHandler {
  readonly #champion: Champion;
  readonly #state: FoldState;
  readonly #models: ModelRegistry;
  #deliveries = 0;
  /** The generation it has claimed last. */
  #claimed: string | undefined;

  constructor(champion: Champion, models: ModelRegistry) {
    this.#champion = champion;
    this.#state = champion.state;
    this.#models = models;
  }

  /** A batch comes again from its first row where a command in it has to wait. @returns false when this one has to */
  handle(value: Uint8Array | null, offset: number, context: ProcessorContext): boolean {
    if (offset < this.#state.waitingCommand) return true;
    const done = this.#obey(value, offset, context);
    this.#champion.waitFor(done ? 0 : offset);
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

  /** @param own the generation that a rollback begins */
  #apply(
    command: ModelCommand,
    named: Model | undefined,
    own: string | undefined,
    context: ProcessorContext,
  ): void {
    const { command: name } = command;
    const alias = aliasOf(command);
    const previous = this.#pointsAt(alias);
    if (name === 'promote') this.#take((state) => takeUpCandidate(state, named!), context);
    else if (name === 'rollback') this.#take((state) => takeUpFormer(state, named!, own!), context);
    else if (name === 'prune') prune(command.versions!, context);
    const now = name === 'alias' ? named?.version : this.#state.version;
    this.#champion.decide(command, { alias, version: now ?? null, previous }, context);
    if (name === 'promote') this.#retire(named!.version, command, context);
  }

  #take(takeUp: (state: FoldState) => void, context: ProcessorContext): void {
    this.#champion.replace(takeUp, context);
    const { version, generation } = this.#state;
    context.logger.info({ version, parent: generation?.parent }, 'another model is current');
  }

  /** What has become champion is no longer beside it. */
  #retire(version: string, command: ModelCommand, context: ProcessorContext): void {
    const { requestedBy, timestampMs } = command;
    const reason = `version ${version} has become champion`;
    const retiring = { command: 'alias', requestedBy, reason, timestampMs } as const;
    for (const alias of ['shadow', 'challenger'] as const) {
      if (this.#pointsAt(alias) !== version) continue;
      this.#champion.decide(retiring, { alias, version: null, previous: version }, context);
    }
  }

  #refuse(command: ModelCommand, refusal: string, context: ProcessorContext): void {
    const alias = aliasOf(command);
    const version = this.#pointsAt(alias);
    context.logger.warn({ command: command.command, version: command.version, refusal }, 'refused');
    this.#champion.decide(command, { alias, version, previous: version, refusal }, context);
  }

  #pointsAt(alias: ModelAlias): string | null {
    const { version, decided } = this.#state;
    const at = alias === 'champion' ? version : decided.aliases[alias]?.version;
    return at ?? null;
  }
}

function prune(versions: readonly string[], context: ProcessorContext): void {
  const output = context.output(topics.models);
  for (const version of versions) {
    output.append(context.currentSystemTimeMs(), modelKey(version), null);
  }
  context.logger.info({ versions }, `${versions.length} versions are pruned`);
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
