/* What pruned full-batch iterations need, part of kernels.c for native variants; bounds.ts has the same in TypeScript and
 * says why the roundings below keep it exact. */

#define GROW (1 + 0x1p-22)
#define SHRINK (1 - 0x1p-22)

/* The squared distance in float32, at most this share too small: differences lose nothing to each other. */
#define QUICK_ERROR(dims) (((dims) + 8) * 0x1p-23)

INLINE float quick_distance(const float *x, const float *c, int32_t dims) {
  floats wide = {0}, wide2 = {0};
  int32_t d = 0;
  for (; d + 2 * LANES <= dims; d += 2 * LANES) {
    const floats a = *(const floats *)(x + d) - *(const floats *)(c + d);
    const floats b = *(const floats *)(x + d + LANES) - *(const floats *)(c + d + LANES);
    wide += a * a;
    wide2 += b * b;
  }
  wide += wide2;
  float4 sums = {0};
  for (int32_t lane = 0; lane < LANES; lane += 4) sums += ((const float4 *)&wide)[lane / 4];
  for (; d + 4 <= dims; d += 4) {
    const float4 difference = *(const float4 *)(x + d) - *(const float4 *)(c + d);
    sums += difference * difference;
  }
  float square = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  for (; d < dims; d++) square += (x[d] - c[d]) * (x[d] - c[d]);
  return square;
}

INLINE void fetch_row(const float *x, int32_t dims) {
  for (int32_t d = 0; d < dims; d += 16) __builtin_prefetch(x + d);
}

/* How many rows ahead of the one measured are fetched. */
#define ROWS_AHEAD 4

/* Moves the bounds of n points, and makes the upper one tight where it no longer proves the label. Rows still unproven go to
 * `unproven`, their features to `gathered`. Returns how many. */
static int32_t EXPORT(prove_labels)(const float *points, int32_t n, int32_t dims, const float *centroids,
                                    const int32_t *labels, float *upper, float *lower, const double *drift,
                                    const double *half, double others, double largest, int32_t most,
                                    int32_t *unproven, float *gathered) {
  int32_t open = 0, count = 0;
  for (int32_t row = 0; row < n; row++) {
    const int32_t label = labels[row];
    const double moved = (upper[row] + drift[label]) * GROW;
    const double room = lower[row] - (label == most ? others : largest);
    const double low = room > 0 ? room * SHRINK : 0;
    lower[row] = (float)low;
    upper[row] = (float)moved;
    unproven[open] = row;
    open += !(moved < low || moved < half[label]);
  }
  for (int32_t i = 0; i < open; i++) {
    const int32_t row = unproven[i], label = labels[row];
    if (i + ROWS_AHEAD < open) fetch_row(points + (size_t)unproven[i + ROWS_AHEAD] * dims, dims);
    const float *x = points + (size_t)row * dims;
    const double square = quick_distance(x, centroids + (size_t)label * dims, dims);
    const double tight = __builtin_sqrt(square * (1 + QUICK_ERROR(dims)) + (dims + 8) * 0x1p-149) * GROW;
    upper[row] = (float)tight;
    const double low = lower[row];
    if (tight < low || tight < half[label]) continue;
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

/* Squares from scores: |x|² + 2h, with the error of h on the safe side (kernels.c). A score is lowered by as much of its error
 * as comes from its centroid, so only the first's must be given back; the largest norm of all stands for its own. */
typedef struct {
  float within[BLOCK], beyond[BLOCK];
  /* Some error is not small beside the gap: far from the origin the scores know little of the distance. */
  int coarse;
} Squares;

INLINE float point_error(const Model *model, float norm) { return 2.2f * model->g * norm + 2 * model->underflow; }
INLINE float first_error(const Model *model, float norm) {
  return point_error(model, norm) + 4.2f * model->g * model->highest_norm;
}
INLINE int is_coarse(const Model *model, const Scored *scored, int32_t row) {
  return first_error(model, scored->norms[row]) * 8 > scored->second[row] - scored->first[row];
}

INLINE void squares_of_scores(const Model *model, const Scored *scored, Squares *squares) {
  int coarse = 0;
  for (int32_t row = 0; row < BLOCK; row++) {
    const float norm = scored->norms[row];
    squares->within[row] = norm + 2 * scored->first[row] + first_error(model, norm);
    squares->beyond[row] = norm + 2 * scored->second[row] - point_error(model, norm);
    coarse |= is_coarse(model, scored, row);
  }
  squares->coarse = coarse;
}

INLINE void roots(const Squares *squares, int32_t rows, float *upper, float *lower) {
  for (int32_t row = 0; row < rows; row++) {
    const float within = squares->within[row] > 0 ? squares->within[row] : 0;
    const float most = squares->beyond[row] < 3.4e38f ? squares->beyond[row] : 3.4e38f;
    const float beyond = most * (float)SHRINK - 0x1p-148f;
    upper[row] = __builtin_sqrtf(within * (float)GROW + 0x1p-148f) * (float)GROW;
    lower[row] = beyond > 0 ? __builtin_sqrtf(beyond) * (float)SHRINK : 0;
  }
}

/* The nearest centroid of each point, and bounds from the scores that found it: the distances themselves would cost more
 * than the scores of a few centroids. Returns how many points needed the exact scan. */
static int32_t EXPORT(nearest_bounds)(const float *points, int32_t n, int32_t dims, const float *centroids, int32_t k,
                                      const float *panels, float *scratch, int32_t *labels, float *upper,
                                      float *lower) {
  const Model model = model_of(centroids, k, dims, panels);
  const int scorable = model.highest_norm < NORM_MAX;
  int32_t scanned = 0;
  for (int32_t from = 0; from < n; from += BLOCK) {
    const int32_t rows = n - from < BLOCK ? n - from : BLOCK;
    const float *block = points + (size_t)from * dims;
    Scored scored;
    Squares squares;
    if (scorable) {
      score_block(&model, block, rows, 0, scratch, &scored);
      squares_of_scores(&model, &scored, &squares);
    }
    for (int32_t row = 0; row < rows && (!scorable || scored.unsure || squares.coarse); row++) {
      const float *x = block + (size_t)row * dims;
      const int32_t label = scorable ? scored.first_label[row] : k;
      const float gap = scorable ? scored.second[row] - scored.first[row] : 0;
      if (label < k && gap > gap_needed(&model, scored.norms[row], model.norms[label])) {
        if (is_coarse(&model, &scored, row)) {
          squares.within[row] = (float)exact_distance(x, centroid(&model, label), dims);
        }
        continue;
      }
      double both[2];
      scored.first_label[row] = exact_scan(x, centroids, k, dims, both);
      squares.within[row] = (float)both[0];
      squares.beyond[row] = (float)both[1];
      scanned++;
    }
    for (int32_t row = 0; row < rows; row++) labels[from + row] = scored.first_label[row];
    roots(&squares, rows, upper + from, lower + from);
  }
  return scanned;
}
