// The live map: recent points in two dimensions with their clusters' centroids. It works only while somebody looks, at
// most five times a second, over a bounded sample; the raw vectors never leave the server.

import type { Broker } from '../../broker/index.ts';
import { Assigner, intoModelSpace, type Kernels, scalePoints } from '../../clustering/index.ts';
import type { Model } from '../../schemas/index.ts';
import type { Clock, Logger } from '../../support/index.ts';
import type { LiveClient } from '../websocket/live-client.ts';
import { type MapCluster, type MapText, noCluster, pointBytes, writePoint } from './map-frame.ts';
import { PointRing } from './point-ring.ts';
import { Projection } from './projection.ts';
import { RecentPairs, type RecentPairsOptions } from './recent-pairs.ts';

export interface MapViewOptions {
  readonly broker: Broker;
  readonly decode: RecentPairsOptions['decode'];
  readonly currentModel: () => Model | undefined;
  readonly kernels: Kernels;
  readonly clock: Clock;
  readonly logger: Logger;
}

const pointsMax = 4_000;
/** A ring holds no more than this many numbers. */
const cellsMax = 2_097_152;
const rowsPerRead = 320;
const tickMs = 200;
const fitEveryTicks = 5;
/** Of the way to a new basis or new axes, a tick. */
const stepShare = 0.25;
const clustersShownMax = 500;
/** Multiplications a tick for finding points of dead clusters a new one. */
const adoptionWorkMax = 4_000_000;
/** After this long without news the picture stands still. */
const restTicks = 25;

export class MapView {
  readonly #options: MapViewOptions;
  readonly #watchers = new Set<LiveClient>();
  readonly #pairs: RecentPairs;
  #ring: PointRing | undefined;
  #projection: Projection | undefined;
  #endTicks: (() => void) | undefined;
  #tick = 0;
  #running: Promise<void> | undefined;
  #fittedAt = 0;
  #seen = '';
  #stillTicks = 0;
  #lastFrames: readonly (string | Uint8Array)[] = [];
  #scaled = new Float32Array(0);
  #plane = new Float32Array(0);

  constructor(options: MapViewOptions) {
    const { broker, decode, logger } = options;
    this.#options = options;
    this.#pairs = new RecentPairs({ broker, decode, logger });
  }

  add(client: LiveClient): void {
    this.#watchers.add(client);
    if (this.#lastFrames.length > 0) client.sendLatest(this.#lastFrames);
    this.#endTicks ??= this.#options.clock.every(tickMs, () => this.#onTick());
    this.#onTick();
  }

  remove(client: LiveClient): void {
    this.#watchers.delete(client);
    if (this.#watchers.size > 0) return;
    this.#endTicks?.();
    this.#endTicks = undefined;
  }

  async stop(): Promise<void> {
    this.#watchers.clear();
    this.#endTicks?.();
    await this.#running;
    await this.#pairs.close();
  }

  #onTick(): void {
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
    });
  }

  async #work(): Promise<void> {
    const model = this.#options.currentModel();
    if (model === undefined) return;
    try {
      await this.#gather(model);
      if (this.#isMoving(model)) this.#place(model);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the map could not be drawn; trying again');
      await this.#pairs.close();
    }
  }

  /** New points, a new model, or a picture that has not yet come to rest. */
  #isMoving(model: Model): boolean {
    const seen = `${this.#ring?.sequence} ${model.version}`;
    this.#stillTicks = seen === this.#seen ? this.#stillTicks + 1 : 0;
    this.#seen = seen;
    return this.#stillTicks < restTicks;
  }

  async #gather(model: Model): Promise<void> {
    if (this.#ring?.dims !== model.dims) {
      const capacity = Math.max(100, Math.min(pointsMax, Math.floor(cellsMax / model.dims)));
      this.#ring = new PointRing(capacity, model.dims);
      this.#projection = new Projection(model.dims);
      this.#fittedAt = 0;
    }
    const ring = this.#ring;
    const isFirst = !this.#pairs.isOpen;
    if (isFirst) await this.#pairs.open(ring.capacity);
    await this.#pairs.read(
      isFirst ? ring.capacity : rowsPerRead,
      (assignment, values, at, dims) => {
        if (dims === ring.dims) ring.add(values, at, assignment.clusterId, assignment.outlierScore);
      },
    );
    ring.expire();
    this.#adoptOrphans(model);
  }

  /** A point whose cluster is gone takes the nearest of those there are: the map shows the present clusters. */
  #adoptOrphans(model: Model): void {
    const ring = this.#ring!;
    const { k, dims, clusterIds } = model;
    const countMax = Math.ceil(adoptionWorkMax / (k * dims));
    const slots = ring.orphans(new Set(clusterIds), countMax);
    if (slots.length === 0) return;
    const assigner = new Assigner(model, this.#options.kernels);
    assigner.assign(this.#gathered(slots), slots.length);
    for (const [i, slot] of slots.entries()) ring.adopt(slot, clusterIds[assigner.labels[i]!]!);
  }

  #place(model: Model): void {
    const ring = this.#ring!;
    const projection = this.#projection!;
    if (ring.size === 0) return;
    const entries = [...ring.entries()];
    const n = entries.length;
    this.#scale(
      model,
      entries.map(([slot]) => slot),
    );
    this.#tick += 1;
    const isDue = this.#tick % fitEveryTicks === 0 || this.#fittedAt < ring.capacity / 8;
    if (isDue && ring.sequence > this.#fittedAt) {
      projection.fit(this.#scaled, n);
      this.#fittedAt = ring.sequence;
    }
    projection.step(stepShare);
    const clusters = this.#placedClusters(model);
    projection.project(this.#scaled, n, this.#plane);
    const index = new Map(clusters.map(({ clusterId }, i) => [clusterId, i]));
    const frame = new DataView(new ArrayBuffer(n * pointBytes));
    const ageOf = ages(entries.map(([, point]) => point.sequence));
    for (const [i, [, point]] of entries.entries()) {
      const cluster = index.get(point.clusterId) ?? noCluster;
      const [x, y] = [this.#plane[2 * i]!, this.#plane[2 * i + 1]!];
      writePoint(frame, i * pointBytes, x, y, cluster, point.outlierScore, ageOf(point.sequence));
    }
    this.#send(this.#textOf(model, clusters, n), new Uint8Array(frame.buffer));
  }

  /** Fills #scaled with the points in these slots, as the model sees them. */
  #scale(model: Model, slots: readonly number[]): void {
    const { dims } = model;
    if (this.#scaled.length < slots.length * dims) {
      this.#scaled = new Float32Array(this.#ring!.capacity * dims);
      this.#plane = new Float32Array(this.#ring!.capacity * 2);
    }
    const gathered = this.#gathered(slots);
    intoModelSpace(gathered, slots.length, model, this.#scaled);
  }

  /** The points in these slots, side by side. */
  #gathered(slots: readonly number[]): Float32Array {
    const { dims, values } = this.#ring!;
    const gathered = new Float32Array(slots.length * dims);
    for (const [i, slot] of slots.entries()) {
      gathered.set(values.subarray(slot * dims, (slot + 1) * dims), i * dims);
    }
    return gathered;
  }

  #placedClusters(model: Model): MapCluster[] {
    const { k, dims, mean, scale, centroids, clusterIds } = model;
    const scaled = new Float32Array(k * dims);
    const plane = new Float32Array(k * 2);
    scalePoints(centroids, k, dims, mean, scale, scaled);
    this.#projection!.project(scaled, k, plane);
    return clusterIds.slice(0, clustersShownMax).map((clusterId, i) => ({
      clusterId,
      x: rounded(plane[2 * i]!),
      y: rounded(plane[2 * i + 1]!),
    }));
  }

  #textOf(model: Model, clusters: readonly MapCluster[], points: number): string {
    const projection = this.#projection!;
    const text: MapText = {
      type: 'map',
      modelVersion: model.version,
      basisVersion: projection.version,
      explained: rounded(projection.explained),
      dimensions: model.dims,
      points,
      clusters,
    };
    return JSON.stringify(text);
  }

  #send(text: string, points: Uint8Array): void {
    this.#lastFrames = [text, points];
    for (const client of [...this.#watchers]) client.sendLatest(this.#lastFrames);
  }
}

/** 0 for the newest, 1 for the oldest of these sequence numbers. */
function ages(sequences: readonly number[]): (sequence: number) => number {
  let [oldest, newest] = [Number.POSITIVE_INFINITY, 0];
  for (const sequence of sequences) {
    oldest = Math.min(oldest, sequence);
    newest = Math.max(newest, sequence);
  }
  const span = Math.max(1, newest - oldest);
  return (sequence) => (newest - sequence) / span;
}

function rounded(x: number): number {
  return Math.round(x * 10_000) / 10_000;
}
