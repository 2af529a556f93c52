// What the owner of a model remembers: the generation, the online model, who the clusters are, how far the logs have been
// taken in. In memory while it works; `save` puts what changed into the task's store.

import {
  type HalfLife,
  type OnlineHistory,
  OnlineModel,
  type OnlineStart,
} from '../clustering/index.ts';
import type {
  BootstrapSample,
  CentroidDelta,
  ClusterLineage,
  Model,
  OffsetRange,
} from '../schemas/index.ts';
import { CentroidStore, type KeyValueStore } from '../state-stores/index.ts';
import { type Decided, nothingDecided } from './decided.ts';

/** What is fixed at the birth of MAJOR.MINOR. */
export interface Generation {
  /** "1.0" */
  readonly name: string;
  readonly parent: string | null;
  readonly origin: Model['origin'];
  readonly seed: number;
  readonly features: readonly string[];
  readonly missing: Model['missing'];
  readonly featureMeans: Float64Array;
  readonly lineage?: readonly ClusterLineage[] | undefined;
  readonly parameters?: Readonly<Record<string, string>> | undefined;
}

export interface Membership {
  readonly clusterIds: readonly string[];
  readonly nextClusterNumber: number;
  readonly offsets: Readonly<Record<string, OffsetRange>>;
}

interface Header extends Membership {
  readonly generation: Generation | null;
  readonly bornPatches: readonly number[];
  readonly deltaOffset: number;
  /** Absent in what a release before decisions has stored. */
  readonly decided?: Decided;
  readonly waitingCommand?: number;
  /** The online model's own header. */
  readonly online: Float64Array;
}

type OffsetsOf = Pick<CentroidDelta | BootstrapSample, 'partition' | 'fromOffset' | 'nextOffset'>;

/** The row of the store that holds what never changes in a generation. */
const basisRow = 'basis';

export class FoldState {
  readonly #store: CentroidStore<Header>;
  #halfLife: HalfLife;
  generation: Generation | undefined;
  online: OnlineModel | undefined;
  clusterIds: string[] = [];
  /** By cluster: the patch of this generation at which its id was minted, 0 when it came with it. */
  bornPatches: number[] = [];
  nextClusterNumber = 1;
  offsets: Record<string, OffsetRange> = {};
  /** Next offset of centroid-deltas. */
  deltaOffset = 0;
  decided: Decided = nothingDecided;
  /** Offset of the command that waits, its batch to come again: those before it are decided. 0 while none waits. */
  waitingCommand = 0;
  #savedRows = new Set<string>();
  #basisSaved = false;

  private constructor(store: CentroidStore<Header>, halfLife: HalfLife) {
    this.#store = store;
    this.#halfLife = halfLife;
  }

  static async load(store: KeyValueStore, halfLife: HalfLife): Promise<FoldState> {
    const state = new FoldState(new CentroidStore<Header>(store), halfLife);
    const saved = await state.#store.load();
    if (saved === undefined) return state;
    const { header, clusters } = saved;
    state.deltaOffset = header.deltaOffset;
    state.nextClusterNumber = header.nextClusterNumber;
    state.decided = header.decided ?? nothingDecided;
    state.waitingCommand = header.waitingCommand ?? 0;
    state.#savedRows = new Set(clusters.keys());
    if (header.generation === null) return state;
    state.generation = header.generation;
    state.clusterIds = [...header.clusterIds];
    state.bornPatches = [...header.bornPatches];
    state.offsets = { ...header.offsets };
    state.#basisSaved = true;
    const basis = clusters.get(basisRow)!;
    const rows = state.clusterIds.map((id) => clusters.get(id)!);
    const records = { basis, header: header.online, clusters: rows };
    state.online = OnlineModel.restore(records);
    return state;
  }

  /** Of generations that begin from now on. */
  useHalfLife(halfLife: HalfLife): void {
    this.#halfLife = halfLife;
  }

  get version(): string | undefined {
    if (this.generation === undefined) return undefined;
    return `${this.generation.name}.${this.online!.patch}`;
  }

  /** A new generation in place of what was there. Ids below its first number are older than it. */
  begin(
    generation: Generation,
    start: OnlineStart,
    membership: Membership,
    history: OnlineHistory | undefined = this.online?.history(),
  ): void {
    this.generation = generation;
    this.online = OnlineModel.begin(start, { halfLife: this.#halfLife }, history);
    this.clusterIds = [...membership.clusterIds];
    this.bornPatches = membership.clusterIds.map(() => 0);
    this.nextClusterNumber = membership.nextClusterNumber;
    this.offsets = { ...membership.offsets };
    const births = { ...this.decided.births, [generation.name]: membership.nextClusterNumber };
    this.decided = { ...this.decided, births };
    this.#basisSaved = false;
  }

  /** Notes the points a delta or sample was made from, whether it was learned from or refused. */
  passed({ partition, fromOffset, nextOffset }: OffsetsOf): void {
    const before = this.offsets[partition];
    this.offsets[partition] = {
      from: Math.min(before?.from ?? fromOffset, fromOffset),
      to: Math.max(before?.to ?? nextOffset, nextOffset),
    };
  }

  mint(slot: number): void {
    this.clusterIds[slot] = `c${this.nextClusterNumber}`;
    this.bornPatches[slot] = this.online!.patch;
    this.nextClusterNumber += 1;
  }

  save(): void {
    const { generation, online, clusterIds, bornPatches, nextClusterNumber, offsets } = this;
    if (online !== undefined) this.#saveRows(online);
    this.#store.putHeader({
      generation: generation ?? null,
      clusterIds,
      bornPatches,
      nextClusterNumber,
      offsets,
      deltaOffset: this.deltaOffset,
      decided: this.decided,
      waitingCommand: this.waitingCommand,
      online: online?.headerRecord() ?? new Float64Array(0),
    });
  }

  #saveRows(online: OnlineModel): void {
    const rows = new Set([basisRow, ...this.clusterIds]);
    for (const id of this.#savedRows) if (!rows.has(id)) this.#store.deleteCluster(id);
    if (!this.#basisSaved) this.#store.putCluster(basisRow, online.basisRecord());
    this.#basisSaved = true;
    for (const slot of online.takeChanged()) {
      this.#store.putCluster(this.clusterIds[slot]!, online.clusterRecord(slot));
    }
    this.#savedRows = rows;
  }
}
