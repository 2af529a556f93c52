// What the threads of a full-batch fit share: the columns of all rows, the centroids of this pass, and the sums of each
// part. A part is a run of whole reduction blocks; its bounds follow from n alone. Each part's sums are added up row after
// row by whichever thread takes it, and parts are combined in their order: so the number of threads changes no bit.

/** Rows of a reduction block. */
const blockRows = 8192;
/** Parts at most: as many threads can work, and as many sets of sums are kept. */
const partsMax = 64;

export interface FitShape {
  readonly n: number;
  readonly dims: number;
  readonly k: number;
}

/** All on SharedArrayBuffers. Written by the calling thread between passes, but for the columns and sums of a part. */
export interface FitState extends FitShape {
  readonly parts: number;
  readonly partRows: number;
  /** n each: nearest centroid; a distance that its distance does not exceed; one that no other centroid is nearer than. */
  readonly labels: Int32Array;
  readonly upper: Float32Array;
  readonly lower: Float32Array;
  /** k × dims: what this pass measures to, as the kernels see it and unrounded; what sums are about. */
  readonly rounded: Float32Array;
  readonly centroids: Float64Array;
  readonly reference: Float64Array;
  /** k each: how far the rounded centroid has moved since the last pass; half the way to its nearest neighbour. */
  readonly drift: Float64Array;
  readonly half: Float64Array;
  /** parts × k·(dims + 2): Σw, Σw·(x − r), Σw·‖x − r‖² of each cluster. */
  readonly sums: Float64Array;
  /** parts × k: points of positive weight; weight taken out since the sums were made; whether this pass changed the sums. */
  readonly counts: Int32Array;
  readonly removed: Float64Array;
  readonly dirty: Uint8Array;
  /** parts × k × bins, made by the last pass. */
  readonly histograms: Float64Array;
  /** parts each: labels changed, and points measured against all centroids, in this pass. */
  readonly changed: Int32Array;
  readonly measured: Int32Array;
}

export function partsOf(n: number): { parts: number; partRows: number } {
  const blocks = Math.ceil(n / blockRows);
  const partRows = Math.max(1, Math.ceil(blocks / partsMax)) * blockRows;
  return { parts: Math.ceil(n / partRows), partRows };
}

export function fitState({ n, dims, k }: FitShape, bins: number): FitState {
  const { parts, partRows } = partsOf(n);
  return {
    ...{ n, dims, k, parts, partRows },
    labels: new Int32Array(bytes(n, 4)),
    upper: new Float32Array(bytes(n, 4)),
    lower: new Float32Array(bytes(n, 4)),
    rounded: new Float32Array(bytes(k * dims, 4)),
    centroids: new Float64Array(bytes(k * dims, 8)),
    reference: new Float64Array(bytes(k * dims, 8)),
    drift: new Float64Array(bytes(k, 8)),
    half: new Float64Array(bytes(k, 8)),
    sums: new Float64Array(bytes(parts * k * (dims + 2), 8)),
    counts: new Int32Array(bytes(parts * k, 4)),
    removed: new Float64Array(bytes(parts * k, 8)),
    dirty: new Uint8Array(bytes(parts * k, 1)),
    histograms: new Float64Array(bytes(parts * k * bins, 8)),
    changed: new Int32Array(bytes(parts, 4)),
    measured: new Int32Array(bytes(parts, 4)),
  };
}

function bytes(length: number, each: number): SharedArrayBuffer {
  return new SharedArrayBuffer(length * each);
}
