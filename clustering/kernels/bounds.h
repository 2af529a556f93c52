/* What pruned full-batch iterations need, part of kernels.c for native variants; bounds.ts has the same in TypeScript and
 * says why the roundings below keep it exact. */

#define GROW (1 + 0x1p-22)
#define SHRINK (1 - 0x1p-22)

/* Moves the bounds of n points, and makes the upper one tight where it no longer proves the label. Rows still unproven go to
 * `unproven`, their features to `gathered`. Returns how many. */
static int32_t EXPORT(prove_labels)(const float *points, int32_t n, int32_t dims, const float *centroids,
                                    const int32_t *labels, float *upper, float *lower, const double *drift,
                                    const double *half, double others, double largest, int32_t most,
                                    int32_t *unproven, float *gathered) {
  int32_t count = 0;
  for (int32_t row = 0; row < n; row++) {
    const int32_t label = labels[row];
    const double moved = (upper[row] + drift[label]) * GROW;
    const double room = lower[row] - (label == most ? others : largest);
    const double low = room > 0 ? room * SHRINK : 0, within = half[label];
    lower[row] = (float)low;
    upper[row] = (float)moved;
    if (moved < low || moved < within) continue;
    const float *x = points + (size_t)row * dims;
    const float square = (float)exact_distance(x, centroids + (size_t)label * dims, dims);
    const double tight = __builtin_sqrt(square * GROW + 0x1p-149) * GROW;
    upper[row] = (float)tight;
    if (tight < low || tight < within) continue;
    float *copy = gathered + (size_t)count * dims;
    for (int32_t d = 0; d < dims; d++) copy[d] = x[d];
    unproven[count++] = row;
  }
  return count;
}

/* Each row whose label changed leaves the sums of one cluster, then enters the other's. */
static void EXPORT(transfer)(const float *values, const float *weights, const int32_t *before, const int32_t *after,
                             int32_t n, int32_t dims, int32_t k, const double *reference, double *sums) {
  for (int32_t row = 0; row < n; row++) {
    if (before[row] == after[row]) continue;
    const float *x = values + (size_t)row * dims;
    const float weight = weights ? weights[row] : 1, leaving = -weight;
    EXPORT(accumulate)(x, &leaving, before + row, 1, dims, k, reference, 0, sums);
    EXPORT(accumulate)(x, &weight, after + row, 1, dims, k, reference, 0, sums);
  }
}

/* Squared distances to the centroids of the labels. */
static void EXPORT(own_squares)(const float *points, int32_t n, int32_t dims, const float *centroids,
                                const int32_t *labels, double *out) {
  for (int32_t row = 0; row < n; row++) {
    out[row] = exact_distance(points + (size_t)row * dims, centroids + (size_t)labels[row] * dims, dims);
  }
}
