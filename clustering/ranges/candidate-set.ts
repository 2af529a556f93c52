// The candidates of k-means||, all different: those drawn again are dropped.

export class CandidateSet {
  readonly #dims: number;
  readonly #known = new Set<string>();
  readonly #points: Float32Array[] = [];

  constructor(dims: number) {
    this.#dims = dims;
  }

  get count(): number {
    return this.#points.length;
  }

  /** @param points m × dims. @returns how many were new */
  add(points: Float32Array): number {
    const before = this.count;
    for (let from = 0; from < points.length; from += this.#dims) {
      const point = points.slice(from, from + this.#dims);
      const name = point.join();
      if (this.#known.has(name)) continue;
      this.#known.add(name);
      this.#points.push(point);
    }
    return this.count - before;
  }

  /** count × dims */
  values(): Float32Array {
    const values = new Float32Array(this.count * this.#dims);
    for (const [i, point] of this.#points.entries()) values.set(point, i * this.#dims);
    return values;
  }
}
