// The contract of a kernel set: a few functions over flat arrays, no allocation, no closures. Every set gives the same
// clusters (or distances equal within rounding); equal distances go to the lowest index.

export interface Kernels {
  readonly name: 'reference' | 'wasm' | 'native';
  /**
   * The nearest and second-nearest centroid of each point, squared Euclidean.
   * @param points n × dims, row-major, already scaled. @param centroids k × dims, row-major, already scaled.
   * @param labels out, n: index of the nearest. @param nearest out, n: its squared distance.
   * @param second out, n: squared distance of the runner-up; Infinity when k is 1.
   */
  nearestTwo(
    points: Float32Array,
    n: number,
    dims: number,
    centroids: Float32Array,
    k: number,
    labels: Int32Array,
    nearest: Float32Array,
    second: Float32Array,
  ): void;
}
