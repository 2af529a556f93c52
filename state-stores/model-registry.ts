// The models topic as a table in memory: the current version, every version that was born (bootstrap, retrain, rollback) or
// replaced, where these lie outside of the log, and every decision about which of them an alias points at.
// A batch decodes at most one current model, its last: epochs follow each other every few milliseconds. Born versions
// are kept as bytes and decoded when somebody asks.

import {
  compareVersions,
  decodeModel,
  decodeModelDecision,
  decodeShadowComparison,
  decodeVersionArtifact,
  type Model,
  type ModelAlias,
  type ModelDecision,
  modelRecordKind,
  type RecordBatch,
  recordKey,
  recordValue,
  type ShadowComparison,
  type VersionArtifact,
} from '../schemas/index.ts';
import { type Logger, silentLogger } from '../support/index.ts';
import type { GlobalStore } from './state-store.ts';
import type { VersionHolders } from './version-retention.ts';

export interface ModelRegistryOptions {
  /** Of the global store in the topology. */
  readonly name?: string;
  readonly logger?: Logger;
  readonly versionsMax?: number;
}

export type ModelListener = (current: Model | undefined) => void;

/** Where an alias stands. */
export interface AliasEntry {
  readonly alias: ModelAlias;
  /** Null when it points at nothing. */
  readonly version: string | null;
  /** The newest decision about it that was applied: the tag of optimistic concurrency. 0 when there is none. */
  readonly number: number;
  readonly decision: ModelDecision | undefined;
}

export const modelAliases: readonly ModelAlias[] = ['champion', 'challenger', 'shadow'];

/** Decisions by which the champion becomes another. */
const moves: readonly string[] = ['bootstrap', 'promote', 'rollback'];

/** The oldest versions are forgotten beyond this many. */
export const modelVersionsMax = 1_000;

export class ModelRegistry implements GlobalStore {
  readonly name: string;
  readonly #logger: Logger;
  readonly #versionsMax: number;
  readonly #listeners = new Set<ModelListener>();
  readonly #versions = new Map<string, Model | Uint8Array>();
  readonly #artifacts = new Map<string, VersionArtifact>();
  readonly #pruned = new Set<string>();
  readonly #decisions = new Map<number, ModelDecision>();
  /** The newest applied decision about each alias. */
  readonly #newest = new Map<ModelAlias, ModelDecision>();
  #pinned: ModelDecision | undefined;
  #pinNumber = 0;
  readonly #comparisons = new Map<number, ShadowComparison>();
  /** Generation → who has claimed it, in the order of the log. */
  readonly #claims = new Map<string, readonly string[]>();
  #decisionNumber = 0;
  #replaced: string | null = null;
  #current: Model | undefined;

  constructor(options: ModelRegistryOptions = {}) {
    this.name = options.name ?? 'models';
    this.#logger = options.logger ?? silentLogger;
    this.#versionsMax = options.versionsMax ?? modelVersionsMax;
  }

  apply(batch: RecordBatch): void {
    let currentRow = -1;
    let changed = false;
    for (let row = 0; row < batch.n; row += 1) {
      const record = modelRecordKind(recordKey(batch, row));
      if (record === undefined) continue;
      changed = true;
      if (record.kind === 'comparison') this.#compare(recordValue(batch, row));
      else if (record.kind === 'decision') this.#note(record.name, recordValue(batch, row));
      else if (record.kind === 'artifact') this.#place(record.name, recordValue(batch, row));
      else if (record.kind === 'claim') this.#claim(record.name, record.claimant!);
      else if (record.name === 'current') currentRow = row;
      else this.#keep(record.name, recordValue(batch, row));
    }
    if (currentRow >= 0) this.#setCurrent(recordValue(batch, currentRow));
    if (!changed) return;
    for (const listener of [...this.#listeners]) listener(this.#current);
  }

  /** The model every task assigns with from its next transaction on. */
  current(): Model | undefined {
    return this.#current;
  }

  get(version: string): Model | undefined {
    return this.#current?.version === version ? this.#current : this.kept(version);
  }

  /** By the record under its own name: one that is only current has none. */
  kept(version: string): Model | undefined {
    const kept = this.#versions.get(version);
    if (!(kept instanceof Uint8Array)) return kept;
    const model = this.#decode(kept, version);
    if (model === undefined) this.#versions.delete(version);
    else this.#versions.set(version, model);
    return model;
  }

  /** The current version and every born one, newest first. */
  list(): Model[] {
    const versions = new Set(this.#versions.keys());
    if (this.#current !== undefined) versions.add(this.#current.version);
    return [...versions]
      .sort((a, b) => compareVersions(b, a))
      .map((version) => this.get(version))
      .filter((model) => model !== undefined);
  }

  /** The names of all that are kept, without reading one. */
  versions(): string[] {
    const current = this.#current === undefined ? [] : [this.#current.version];
    return [...new Set([...this.#versions.keys(), ...current])];
  }

  /** The names of those that have a record of their own. */
  keptVersions(): string[] {
    return [...this.#versions.keys()];
  }

  /** Every name that was ever given or claimed, as far as anybody remembers: none is given again. */
  knownNames(): string[] {
    const claimed = [...this.#claims.keys()].map((generation) => `${generation}.0`);
    return [...new Set([...this.versions(), ...this.#pruned, ...claimed])];
  }

  isPruned(version: string): boolean {
    return this.#pruned.has(version);
  }

  /** What holds versions, as far as it is decided. */
  holders(): Omit<VersionHolders, 'versions'> {
    const [challenger, shadow] = [this.alias('challenger').version, this.alias('shadow').version];
    const aliases = { challenger, shadow };
    return { current: this.#current?.version, aliases, replaced: this.#replaced };
  }

  /** Those who have claimed a generation: it is the first one's, the others take another. */
  claimants(generation: string): readonly string[] {
    return this.#claims.get(generation) ?? [];
  }

  /** The generations that are somebody's. */
  claimsOf(claimant: string): string[] {
    return [...this.#claims.keys()].filter((claimed) => this.claimants(claimed)[0] === claimant);
  }

  /** Where a version lies outside of the log; undefined while it is not archived. */
  artifact(version: string): VersionArtifact | undefined {
    return this.#artifacts.get(version);
  }

  /** Of versions whose record has gone, too. */
  artifacts(): VersionArtifact[] {
    return [...this.#artifacts.values()];
  }

  /** A version by its name, by an alias, or as "current". */
  find(name: string): Model | undefined {
    if (name === 'current') return this.#current;
    const alias = modelAliases.find((each) => each === name);
    const version = alias === undefined ? name : this.alias(alias).version;
    return version === null ? undefined : this.get(version);
  }

  /** The champion is what is current: between two decisions it moves with every epoch. */
  alias(alias: ModelAlias): AliasEntry {
    const decision = this.#newest.get(alias);
    const version =
      alias === 'champion' ? (this.#current?.version ?? null) : (decision?.version ?? null);
    return { alias, version, number: decision?.number ?? 0, decision };
  }

  /** Those that point at a version. */
  aliases(version: string): ModelAlias[] {
    return modelAliases.filter((alias) => this.alias(alias).version === version);
  }

  /** Oldest first; of one alias, or all. */
  decisions(alias?: ModelAlias): ModelDecision[] {
    return [...this.#decisions.values()]
      .filter((decision) => alias === undefined || decision.alias === alias)
      .sort((a, b) => a.number - b.number);
  }

  /** How the version that a decision set beside the champion does; undefined before anything is known. */
  comparison(decision: number): ShadowComparison | undefined {
    return this.#comparisons.get(decision);
  }

  /** Of the newest decision; 0 before the first. */
  get decisionNumber(): number {
    return this.#decisionNumber;
  }

  /** The decision that pinned the champion; undefined while it learns. */
  get pinned(): ModelDecision | undefined {
    return this.#pinned;
  }

  /** Of the newest decision that pinned the champion, though it may learn again; 0 before the first. */
  get pinNumber(): number {
    return this.#pinNumber;
  }

  /** Calls back after every batch that changed anything. @returns a function that ends it. */
  onChange(listener: ModelListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #setCurrent(value: Uint8Array | null): void {
    if (value === null) this.#current = undefined;
    else this.#current = this.#decode(value, 'current') ?? this.#current;
  }

  #claim(generation: string, claimant: string): void {
    const before = this.claimants(generation);
    if (!before.includes(claimant)) this.#claims.set(generation, [...before, claimant]);
  }

  /** In the order of the log, which is that of their numbers. */
  #note(number: string, value: Uint8Array | null): void {
    const decision =
      value && this.#read(() => decodeModelDecision(value), `the decision ${number}`);
    if (!decision) return;
    this.#decisions.set(decision.number, decision);
    this.#decisionNumber = Math.max(this.#decisionNumber, decision.number);
    if (decision.outcome === 'refused') return;
    for (const version of decision.pruned ?? []) this.#pruned.add(version);
    if (decision.action === 'prune') return;
    if (decision.alias === 'champion' && moves.includes(decision.action)) {
      this.#replaced = decision.previous;
    }
    this.#newest.set(decision.alias, decision);
    if (decision.action === 'pin') {
      this.#pinned = decision;
      this.#pinNumber = decision.number;
    }
    if (decision.action === 'unpin') this.#pinned = undefined;
  }

  #place(version: string, value: Uint8Array | null): void {
    const place =
      value && this.#read(() => decodeVersionArtifact(value), `the place of ${version}`);
    if (place) this.#artifacts.set(version, place);
    if (value === null) this.#artifacts.delete(version);
  }

  #compare(value: Uint8Array | null): void {
    const comparison = value && this.#read(() => decodeShadowComparison(value), 'a comparison');
    if (comparison) this.#comparisons.set(comparison.decision, comparison);
  }

  #keep(version: string, value: Uint8Array | null): void {
    if (value === null) {
      this.#versions.delete(version);
      return;
    }
    this.#versions.set(version, new Uint8Array(value));
    if (this.#versions.size <= this.#versionsMax) return;
    const oldest = [...this.#versions.keys()].reduce((a, b) => (compareVersions(a, b) < 0 ? a : b));
    this.#versions.delete(oldest);
  }

  #decode(value: Uint8Array, version: string): Model | undefined {
    return this.#read(() => decodeModel(value), version);
  }

  /** What nobody can read leaves what was known before in place: points go on being assigned. */
  #read<T>(decode: () => T, what: string): T | undefined {
    try {
      return decode();
    } catch (error) {
      const text = 'a record of the models topic cannot be read';
      this.#logger.error({ version: what, err: error }, text);
      return undefined;
    }
  }
}
