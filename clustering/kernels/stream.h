/* What the stream asks of every batch besides the nearest centroids, part of kernels.c for native variants. stream.ts has the
 * same in TypeScript, bit for bit: one order of sums, one rounding each. */

#define BIN_OF_ONE 40

/* As distanceBin: the octave is the exponent, three edges lie within it. */
INLINE int32_t distance_bin(double distance, const double *edges) {
  const union {
    double value;
    uint64_t bits;
  } number = {distance};
  const int32_t first = ((int32_t)((number.bits >> 52) & 0x7ff) - 1023) * 4 + BIN_OF_ONE;
  if (first < 0) return 0;
  if (first >= BINS) return BINS - 1;
  return first + (distance >= edges[first + 1]) + (distance >= edges[first + 2]) + (distance >= edges[first + 3]);
}

INLINE double cosine_distance(double square) {
  const double half = square / 2;
  return half < 0 ? 0 : half > 2 ? 2 : half;
}

INLINE double share_below(const double *totals, double distance, const double *edges) {
  const double total = totals[BINS];
  if (!(total > 0)) return 0;
  const int32_t bin = distance_bin(distance, edges);
  const double start = edges[bin], within = (distance - start) / (edges[bin + 1] - start), below = totals[bin];
  const double share = (below + (within < 1 ? within : 1) * (totals[bin + 1] - below)) / total;
  return share < 0 ? 0 : share > 1 ? 1 : share;
}

/* From squared distances to answers; euclidean goes in as the nearest square and may be the same column as distances. */
void EXPORT(answer)(const int32_t *labels, float *euclidean, const float *second, int32_t n, int32_t k, int32_t cosine,
                    const double *totals, const double *edges, float *distances, float *margins, float *scores) {
  for (int32_t row = 0; row < n; row++) {
    const double square = euclidean[row], length = __builtin_sqrt(square);
    const double first = cosine ? cosine_distance(square) : length;
    const double runner_up = cosine ? cosine_distance(second[row]) : __builtin_sqrt((double)second[row]);
    euclidean[row] = (float)length;
    distances[row] = (float)first;
    margins[row] = (float)(k == 1 ? 1 : runner_up > 0 ? (runner_up - first) / runner_up : 0);
    scores[row] = (float)share_below(totals + (size_t)labels[row] * (BINS + 1), length, edges);
  }
}

/* Each feature's sum and sum of squares, row after row. */
void EXPORT(add_features)(const float *restrict points, int32_t n, int32_t dims, double *restrict sums,
                          double *restrict squares) {
  for (int32_t row = 0; row < n; row++) {
    const float *x = points + (size_t)row * dims;
    for (int32_t d = 0; d < dims; d++) {
      const double value = x[d];
      sums[d] += value;
      squares[d] += value * value;
    }
  }
}

/* The rows whose offset is a multiple of `every`. @returns how many */
int32_t EXPORT(gather_every)(const float *points, const double *offsets, int32_t n, int32_t dims, int32_t every, float *out) {
  int32_t rows = 0;
  for (int32_t row = 0; row < n; row++) {
    if ((int64_t)offsets[row] % every) continue;
    __builtin_memcpy(out + (size_t)rows * dims, points + (size_t)row * dims, (size_t)dims * sizeof(float));
    rows += 1;
  }
  return rows;
}

/* A number in (0, 1) that depends on the record alone. */
INLINE double uniform(double offset, int32_t salt) {
  const uint64_t number = (uint64_t)offset;
  uint32_t z = (uint32_t)number * 0x21f0aaadu ^ (uint32_t)(number >> 32) ^ (uint32_t)salt;
  z = (z ^ z >> 16) * 0x21f0aaadu;
  z = (z ^ z >> 15) * 0x735a2d97u;
  return ((z ^ z >> 15) + 0.5) / 4294967296.0;
}

/* Adds rows to the histograms of their clusters up to one that may be a candidate, that one included. @returns it, or n */
int32_t EXPORT(tally)(const float *weights, const int32_t *labels, const float *distances, const double *offsets, int32_t from,
                      int32_t n, int32_t salt, double rank, const double *edges, double *histogram) {
  for (int32_t row = from; row < n; row++) {
    const double weight = weights[row], distance = distances[row], mass = weight * distance * distance;
    histogram[(size_t)labels[row] * BINS + (size_t)distance_bin(distance, edges)] += weight;
    if (mass > 0 && 1 - uniform(offsets[row], salt) < rank * mass) return row;
  }
  return n;
}
