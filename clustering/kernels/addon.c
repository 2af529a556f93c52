/* The Node-API side of the kernels: checks every column's type and length, then calls one variant with plain pointers.
 * Exports one object of functions per variant this processor can run, the fastest first: { avx512vnni?, avx512?, avx2?, baseline }. */

#include <node_api.h>
#include <stdlib.h>

#include "variants.h"

#define ARGUMENTS_MAX 16

/* Space for one block of turned points, per environment (each worker thread has its own), grown and never shrunk. */
typedef struct {
  float *floats;
  size_t length;
} Scratch;

/* One call: its arguments, and whether any of them was refused. */
typedef struct {
  napi_env env;
  napi_value arguments[ARGUMENTS_MAX];
  size_t next;
  const Variant *variant;
  int refused;
} Call;

static void refuse(Call *call, const char *message) {
  if (!call->refused) napi_throw_range_error(call->env, "MEANSTREAM_KERNEL_ARGUMENT", message);
  call->refused = 1;
}

static Call begin(napi_env env, napi_callback_info info) {
  Call call = {.env = env};
  size_t count = ARGUMENTS_MAX;
  void *variant = NULL;
  if (napi_get_cb_info(env, info, &count, call.arguments, NULL, &variant) != napi_ok) call.refused = 1;
  call.variant = variant;
  return call;
}

static int32_t count(Call *call, int32_t least) {
  int32_t value = 0;
  if (napi_get_value_int32(call->env, call->arguments[call->next++], &value) != napi_ok || value < least) {
    refuse(call, "a count is missing or too small");
  }
  return value;
}

static double number(Call *call) {
  double value = 0;
  if (napi_get_value_double(call->env, call->arguments[call->next++], &value) != napi_ok) {
    refuse(call, "a number is missing");
  }
  return value;
}

static void *column(Call *call, napi_typedarray_type wanted, double least) {
  napi_typedarray_type type;
  size_t length = 0;
  void *data = NULL;
  const napi_value value = call->arguments[call->next++];
  if (napi_get_typedarray_info(call->env, value, &type, &length, &data, NULL, NULL) != napi_ok || type != wanted ||
      (double)length < least) {
    refuse(call, "a column is missing, too short or of another type");
  }
  return data;
}

static void *optional(Call *call, napi_typedarray_type wanted, double least) {
  napi_valuetype type;
  napi_typeof(call->env, call->arguments[call->next], &type);
  if (type != napi_undefined) return column(call, wanted, least);
  call->next++;
  return NULL;
}

static float *scratch(Call *call, int32_t dims) {
  Scratch *own = NULL;
  napi_get_instance_data(call->env, (void **)&own);
  const size_t wanted = (size_t)call->variant->scratch_floats(dims);
  if (own->length < wanted) {
    free(own->floats);
    /* Whole cache lines, so that no vector lies across two. */
    own->floats = aligned_alloc(64, (wanted * sizeof(float) + 63) / 64 * 64);
    own->length = own->floats ? wanted : 0;
    if (!own->floats) refuse(call, "no memory for a block of points");
  }
  return own->floats;
}

static napi_value integer(Call *call, int32_t value) {
  napi_value result = NULL;
  if (!call->refused) napi_create_int32(call->env, value, &result);
  return result;
}

/* panelFloats(k, dims) */
static napi_value panel_floats(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t k = count(&call, 1), dims = count(&call, 1);
  napi_value result = NULL;
  if (!call.refused) napi_create_double(env, call.variant->panel_floats(k, dims), &result);
  return result;
}

/* pack(centroids, k, dims, panels) */
static napi_value pack(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  call.next = 1;
  const int32_t k = count(&call, 1), dims = count(&call, 1);
  call.next = 0;
  const float *centroids = column(&call, napi_float32_array, (double)k * dims);
  call.next = 3;
  float *panels = column(&call, napi_float32_array, call.variant->panel_floats(k, dims));
  if (!call.refused) call.variant->pack(centroids, k, dims, panels);
  return NULL;
}

/* nearest(n, dims, k, points, centroids, panels, labels, distances?) → points that needed the exact scan */
static napi_value nearest(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1), k = count(&call, 1);
  const float *points = column(&call, napi_float32_array, (double)n * dims);
  const float *centroids = column(&call, napi_float32_array, (double)k * dims);
  const float *panels = column(&call, napi_float32_array, call.variant->panel_floats(k, dims));
  int32_t *labels = column(&call, napi_int32_array, n);
  float *distances = optional(&call, napi_float32_array, n);
  float *space = scratch(&call, dims);
  if (call.refused) return NULL;
  return integer(&call, call.variant->nearest(points, n, dims, centroids, k, panels, space, labels, distances));
}

/* nearestTwo(n, dims, k, points, centroids, panels, labels, nearest, second) → points that needed the exact scan */
static napi_value nearest_two(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1), k = count(&call, 1);
  const float *points = column(&call, napi_float32_array, (double)n * dims);
  const float *centroids = column(&call, napi_float32_array, (double)k * dims);
  const float *panels = column(&call, napi_float32_array, call.variant->panel_floats(k, dims));
  int32_t *labels = column(&call, napi_int32_array, n);
  float *first = column(&call, napi_float32_array, n);
  float *second = column(&call, napi_float32_array, n);
  float *space = scratch(&call, dims);
  if (call.refused) return NULL;
  return integer(&call, call.variant->nearest_two(points, n, dims, centroids, k, panels, space, labels, first, second));
}

static int labels_within(const int32_t *labels, int32_t n, int32_t k) {
  uint32_t highest = 0;
  for (int32_t row = 0; row < n; row++) highest = (uint32_t)labels[row] > highest ? (uint32_t)labels[row] : highest;
  return highest < (uint32_t)k;
}

/* Weights, residuals and squares of k clusters in one column. */
static double *cluster_sums(Call *call, int32_t k, int32_t dims) {
  return column(call, napi_float64_array, (double)k * dims + 2.0 * k);
}

/* accumulate(n, dims, k, values, weights?, labels, reference, inverse?, sums) */
static napi_value accumulate(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1), k = count(&call, 1);
  const float *values = column(&call, napi_float32_array, (double)n * dims);
  const float *weights = optional(&call, napi_float32_array, n);
  const int32_t *labels = column(&call, napi_int32_array, n);
  const double *reference = column(&call, napi_float64_array, (double)k * dims);
  const double *inverse = optional(&call, napi_float64_array, dims);
  double *sums = cluster_sums(&call, k, dims);
  if (!call.refused && !labels_within(labels, n, k)) refuse(&call, "a label is not below k");
  if (!call.refused) call.variant->accumulate(values, weights, labels, n, dims, k, reference, inverse, sums);
  return NULL;
}

/* assignAccumulate(n, dims, k, points, weights?, centroids, panels, reference, labels, sums) */
static napi_value assign_accumulate(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1), k = count(&call, 1);
  const float *points = column(&call, napi_float32_array, (double)n * dims);
  const float *weights = optional(&call, napi_float32_array, n);
  const float *centroids = column(&call, napi_float32_array, (double)k * dims);
  const float *panels = column(&call, napi_float32_array, call.variant->panel_floats(k, dims));
  const double *reference = column(&call, napi_float64_array, (double)k * dims);
  int32_t *labels = column(&call, napi_int32_array, n);
  double *sums = cluster_sums(&call, k, dims);
  float *space = scratch(&call, dims);
  if (call.refused) return NULL;
  return integer(&call, call.variant->assign_accumulate(points, weights, n, dims, centroids, k, panels, space, reference,
                                                        labels, sums));
}

/* pairwise(n, m, dims, points, others, out) */
static napi_value pairwise(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), m = count(&call, 0), dims = count(&call, 1);
  const float *points = column(&call, napi_float32_array, (double)n * dims);
  const float *others = column(&call, napi_float32_array, (double)m * dims);
  double *out = column(&call, napi_float64_array, (double)n * m);
  if (!call.refused) call.variant->pairwise(points, n, others, m, dims, out);
  return NULL;
}

/* dots(n, dims, k, points, panels, out) */
static napi_value dots(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1), k = count(&call, 1);
  const float *points = column(&call, napi_float32_array, (double)n * dims);
  const float *panels = column(&call, napi_float32_array, call.variant->panel_floats(k, dims));
  float *out = column(&call, napi_float32_array, (double)n * k);
  float *space = scratch(&call, dims);
  if (!call.refused) call.variant->dots(points, n, dims, k, panels, space, out);
  return NULL;
}

/* scalePoints(n, dims, values, mean, scale, limit, out) */
static napi_value scale_points(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1);
  const float *values = column(&call, napi_float32_array, (double)n * dims);
  const double *mean = column(&call, napi_float64_array, dims);
  const double *scale = column(&call, napi_float64_array, dims);
  const double limit = number(&call);
  float *out = column(&call, napi_float32_array, (double)n * dims);
  if (!call.refused) call.variant->scale_points(values, n, dims, mean, scale, limit, out);
  return NULL;
}

/* proveLabels(n, dims, k, points, centroids, labels, upper, lower, drift, half, others, largest, most, unproven, gathered)
 * → rows whose label is not proven */
static napi_value prove_labels(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1), k = count(&call, 1);
  const float *points = column(&call, napi_float32_array, (double)n * dims);
  const float *centroids = column(&call, napi_float32_array, (double)k * dims);
  const int32_t *labels = column(&call, napi_int32_array, n);
  float *upper = column(&call, napi_float32_array, n);
  float *lower = column(&call, napi_float32_array, n);
  const double *drift = column(&call, napi_float64_array, k);
  const double *half = column(&call, napi_float64_array, k);
  const double others = number(&call), largest = number(&call);
  const int32_t most = count(&call, 0);
  int32_t *unproven = column(&call, napi_int32_array, n);
  float *gathered = column(&call, napi_float32_array, (double)n * dims);
  if (!call.refused && !labels_within(labels, n, k)) refuse(&call, "a label is not below k");
  if (call.refused) return NULL;
  return integer(&call, call.variant->prove_labels(points, n, dims, centroids, labels, upper, lower, drift, half, others,
                                                   largest, most, unproven, gathered));
}

/* transfer(n, dims, k, values, weights?, before, after, reference, sums) */
static napi_value transfer(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1), k = count(&call, 1);
  const float *values = column(&call, napi_float32_array, (double)n * dims);
  const float *weights = optional(&call, napi_float32_array, n);
  const int32_t *before = column(&call, napi_int32_array, n);
  const int32_t *after = column(&call, napi_int32_array, n);
  const double *reference = column(&call, napi_float64_array, (double)k * dims);
  double *sums = cluster_sums(&call, k, dims);
  if (!call.refused && !(labels_within(before, n, k) && labels_within(after, n, k))) {
    refuse(&call, "a label is not below k");
  }
  if (!call.refused) call.variant->transfer(values, weights, before, after, n, dims, k, reference, sums);
  return NULL;
}

/* ownSquares(n, dims, k, points, centroids, labels, out) */
static napi_value own_squares(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1), k = count(&call, 1);
  const float *points = column(&call, napi_float32_array, (double)n * dims);
  const float *centroids = column(&call, napi_float32_array, (double)k * dims);
  const int32_t *labels = column(&call, napi_int32_array, n);
  double *out = column(&call, napi_float64_array, n);
  if (!call.refused && !labels_within(labels, n, k)) refuse(&call, "a label is not below k");
  if (!call.refused) call.variant->own_squares(points, n, dims, centroids, labels, out);
  return NULL;
}

/* nearestBounds(n, dims, k, points, centroids, panels, labels, upper, lower) → points that needed the exact scan */
static napi_value nearest_bounds(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1), k = count(&call, 1);
  const float *points = column(&call, napi_float32_array, (double)n * dims);
  const float *centroids = column(&call, napi_float32_array, (double)k * dims);
  const float *panels = column(&call, napi_float32_array, call.variant->panel_floats(k, dims));
  int32_t *labels = column(&call, napi_int32_array, n);
  float *upper = column(&call, napi_float32_array, n);
  float *lower = column(&call, napi_float32_array, n);
  float *space = scratch(&call, dims);
  if (call.refused) return NULL;
  return integer(&call, call.variant->nearest_bounds(points, n, dims, centroids, k, panels, space, labels, upper, lower));
}

/* answer(n, k, cosine, labels, euclidean, second, totals, edges, distances, margins, scores) */
static napi_value answer(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), k = count(&call, 1), cosine = count(&call, 0);
  const int32_t *labels = column(&call, napi_int32_array, n);
  float *euclidean = column(&call, napi_float32_array, n);
  const float *second = column(&call, napi_float32_array, n);
  const double *totals = column(&call, napi_float64_array, (double)k * (BINS + 1));
  const double *edges = column(&call, napi_float64_array, BINS + 1);
  float *distances = column(&call, napi_float32_array, n);
  float *margins = column(&call, napi_float32_array, n);
  float *scores = column(&call, napi_float32_array, n);
  if (!call.refused && !labels_within(labels, n, k)) refuse(&call, "a label is not below k");
  if (call.refused) return NULL;
  call.variant->answer(labels, euclidean, second, n, k, cosine, totals, edges, distances, margins, scores);
  return NULL;
}

/* addFeatures(n, dims, points, sums, squares) */
static napi_value add_features(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1);
  const float *points = column(&call, napi_float32_array, (double)n * dims);
  double *sums = column(&call, napi_float64_array, dims);
  double *squares = column(&call, napi_float64_array, dims);
  if (!call.refused) call.variant->add_features(points, n, dims, sums, squares);
  return NULL;
}

/* gatherEvery(n, dims, every, points, offsets, out) → rows */
static napi_value gather_every(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t n = count(&call, 0), dims = count(&call, 1), every = count(&call, 1);
  const float *points = column(&call, napi_float32_array, (double)n * dims);
  const double *offsets = column(&call, napi_float64_array, n);
  float *out = column(&call, napi_float32_array, (double)n * dims);
  if (call.refused) return NULL;
  return integer(&call, call.variant->gather_every(points, offsets, n, dims, every, out));
}

/* tally(from, n, k, salt, rank, weights, labels, distances, offsets, edges, histogram) → the row that stopped it, or n */
static napi_value tally(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const int32_t from = count(&call, 0), n = count(&call, from), k = count(&call, 1), salt = count(&call, INT32_MIN);
  const double rank = number(&call);
  const float *weights = column(&call, napi_float32_array, n);
  const int32_t *labels = column(&call, napi_int32_array, n);
  const float *distances = column(&call, napi_float32_array, n);
  const double *offsets = column(&call, napi_float64_array, n);
  const double *edges = column(&call, napi_float64_array, BINS + 1);
  double *histogram = column(&call, napi_float64_array, (double)k * BINS);
  if (!call.refused && !labels_within(labels, n, k)) refuse(&call, "a label is not below k");
  if (call.refused) return NULL;
  return integer(&call, call.variant->tally(weights, labels, distances, offsets, from, n, salt, rank, edges, histogram));
}

static void offer(napi_env env, napi_value exports, const Variant *variant) {
  void *data = (void *)variant;
  const napi_property_descriptor functions[] = {
      {"panelFloats", NULL, panel_floats, NULL, NULL, NULL, napi_enumerable, data},
      {"pack", NULL, pack, NULL, NULL, NULL, napi_enumerable, data},
      {"nearest", NULL, nearest, NULL, NULL, NULL, napi_enumerable, data},
      {"nearestTwo", NULL, nearest_two, NULL, NULL, NULL, napi_enumerable, data},
      {"accumulate", NULL, accumulate, NULL, NULL, NULL, napi_enumerable, data},
      {"assignAccumulate", NULL, assign_accumulate, NULL, NULL, NULL, napi_enumerable, data},
      {"pairwise", NULL, pairwise, NULL, NULL, NULL, napi_enumerable, data},
      {"dots", NULL, dots, NULL, NULL, NULL, napi_enumerable, data},
      {"scalePoints", NULL, scale_points, NULL, NULL, NULL, napi_enumerable, data},
      {"proveLabels", NULL, prove_labels, NULL, NULL, NULL, napi_enumerable, data},
      {"transfer", NULL, transfer, NULL, NULL, NULL, napi_enumerable, data},
      {"nearestBounds", NULL, nearest_bounds, NULL, NULL, NULL, napi_enumerable, data},
      {"answer", NULL, answer, NULL, NULL, NULL, napi_enumerable, data},
      {"addFeatures", NULL, add_features, NULL, NULL, NULL, napi_enumerable, data},
      {"gatherEvery", NULL, gather_every, NULL, NULL, NULL, napi_enumerable, data},
      {"tally", NULL, tally, NULL, NULL, NULL, napi_enumerable, data},
      {"ownSquares", NULL, own_squares, NULL, NULL, NULL, napi_enumerable, data},
  };
  napi_value object;
  napi_create_object(env, &object);
  napi_define_properties(env, object, sizeof functions / sizeof *functions, functions);
  napi_set_named_property(env, exports, variant->name, object);
}

static void drop_scratch(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  free(((Scratch *)data)->floats);
  free(data);
}

NAPI_MODULE_INIT() {
  Scratch *own = calloc(1, sizeof *own);
  if (!own || napi_set_instance_data(env, own, drop_scratch, NULL) != napi_ok) {
    napi_throw_error(env, NULL, "no memory for the kernels");
    return NULL;
  }
#if defined(__x86_64__)
  /* These ask the operating system too: registers it does not save count as absent. */
  __builtin_cpu_init();
  const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    if (__builtin_cpu_supports("avx512vnni")) offer(env, exports, &variant_avx512vnni);
    offer(env, exports, &variant_avx512);
  }
  if (avx2) offer(env, exports, &variant_avx2);
#endif
  offer(env, exports, &variant_baseline);
  return exports;
}
