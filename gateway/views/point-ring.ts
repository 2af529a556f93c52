// A bounded sample of recent points, stratified: when it is full, the oldest point of the largest cluster makes room,
// so that a small cluster stays visible beside a large one. Points nobody has followed up for long leave too.

export interface RingPoint {
  readonly clusterId: string;
  /** 0…1 */
  readonly outlierScore: number;
  /** When it was added: counts up. */
  readonly sequence: number;
}

/** After this many times the capacity of newer points, a point is no longer recent. */
const lifetimes = 20;

export class PointRing {
  readonly capacity: number;
  readonly dims: number;
  /** capacity × dims, by slot: `entries()` says which slots are filled. */
  readonly values: Float32Array;
  readonly #points: (RingPoint | undefined)[];
  readonly #free: number[];
  /** Slots by cluster, oldest first. */
  readonly #clusters = new Map<string, number[]>();
  #sequence = 0;

  constructor(capacity: number, dims: number) {
    this.capacity = capacity;
    this.dims = dims;
    this.values = new Float32Array(capacity * dims);
    this.#points = new Array<RingPoint | undefined>(capacity).fill(undefined);
    this.#free = Array.from({ length: capacity }, (_, slot) => capacity - 1 - slot);
  }

  get size(): number {
    return this.capacity - this.#free.length;
  }

  get sequence(): number {
    return this.#sequence;
  }

  add(values: Float32Array, at: number, clusterId: string, outlierScore: number): void {
    if (this.#free.length === 0) this.#evict(this.#largest());
    const slot = this.#free.pop()!;
    this.#sequence += 1;
    this.values.set(values.subarray(at, at + this.dims), slot * this.dims);
    this.#points[slot] = { clusterId, outlierScore, sequence: this.#sequence };
    this.#push(slot, clusterId);
  }

  /** Up to `countMax` slots of clusters that are not among these. */
  orphans(living: ReadonlySet<string>, countMax: number): number[] {
    const found: number[] = [];
    for (const [clusterId, slots] of this.#clusters) {
      if (!living.has(clusterId)) found.push(...slots.slice(0, countMax - found.length));
    }
    return found;
  }

  /** The point in this slot belongs to another cluster from now on. */
  adopt(slot: number, clusterId: string): void {
    const point = this.#points[slot]!;
    const before = this.#clusters.get(point.clusterId)!;
    before.splice(before.indexOf(slot), 1);
    if (before.length === 0) this.#clusters.delete(point.clusterId);
    this.#points[slot] = { ...point, clusterId };
    this.#push(slot, clusterId);
  }

  /** Lets go of what is too old. */
  expire(): void {
    const oldest = this.#sequence - lifetimes * this.capacity;
    for (const [clusterId, slots] of this.#clusters) {
      while (slots.length > 0 && this.#points[slots[0]!]!.sequence < oldest) this.#evict(clusterId);
    }
  }

  /** Slot and point of everything kept. */
  *entries(): IterableIterator<readonly [number, RingPoint]> {
    for (const [slot, point] of this.#points.entries()) {
      if (point !== undefined) yield [slot, point];
    }
  }

  #push(slot: number, clusterId: string): void {
    const slots = this.#clusters.get(clusterId);
    if (slots === undefined) this.#clusters.set(clusterId, [slot]);
    else slots.push(slot);
  }

  #largest(): string {
    let largest = '';
    let most = 0;
    for (const [clusterId, slots] of this.#clusters) {
      if (slots.length <= most) continue;
      most = slots.length;
      largest = clusterId;
    }
    return largest;
  }

  #evict(clusterId: string): void {
    const slots = this.#clusters.get(clusterId)!;
    const slot = slots.shift()!;
    this.#points[slot] = undefined;
    this.#free.push(slot);
    if (slots.length === 0) this.#clusters.delete(clusterId);
  }
}
