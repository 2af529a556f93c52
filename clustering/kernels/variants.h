/* The kernels of one instruction set, as addon.c calls them; kernels.c says what each does. */

#include <stdint.h>

/* Of a distance histogram: one more where bins have ends. */
#define BINS 64

typedef struct {
  const char *name;
  double (*panel_floats)(int32_t k, int32_t dims);
  double (*scratch_floats)(int32_t dims);
  void (*pack)(const float *centroids, int32_t k, int32_t dims, float *panels);
  int32_t (*nearest)(const float *points, int32_t n, int32_t dims, const float *centroids, int32_t k,
                     const float *panels, float *scratch, int32_t *labels, float *distances);
  int32_t (*nearest_two)(const float *points, int32_t n, int32_t dims, const float *centroids, int32_t k,
                         const float *panels, float *scratch, int32_t *labels, float *nearest, float *second);
  void (*accumulate)(const float *values, const float *weights, const int32_t *labels, int32_t n, int32_t dims,
                     int32_t k, const double *reference, const double *inverse, double *sums);
  int32_t (*assign_accumulate)(const float *points, const float *weights, int32_t n, int32_t dims,
                               const float *centroids, int32_t k, const float *panels, float *scratch,
                               const double *reference, int32_t *labels, double *sums);
  void (*pairwise)(const float *points, int32_t n, const float *others, int32_t m, int32_t dims, double *out);
  void (*dots)(const float *points, int32_t n, int32_t dims, int32_t k, const float *panels, float *scratch,
               float *out);
  void (*scale_points)(const float *values, int32_t n, int32_t dims, const double *mean, const double *scale,
                       double limit, float *out);
  int32_t (*prove_labels)(const float *points, int32_t n, int32_t dims, const float *centroids, const int32_t *labels,
                          float *upper, float *lower, const double *drift, const double *half, double others,
                          double largest, int32_t most, int32_t *unproven, float *gathered);
  void (*transfer)(const float *values, const float *weights, const int32_t *before, const int32_t *after, int32_t n,
                   int32_t dims, int32_t k, const double *reference, double *sums);
  void (*own_squares)(const float *points, int32_t n, int32_t dims, const float *centroids, const int32_t *labels,
                      double *out);
  int32_t (*nearest_bounds)(const float *points, int32_t n, int32_t dims, const float *centroids, int32_t k,
                            const float *panels, float *scratch, int32_t *labels, float *upper, float *lower);
  void (*answer)(const int32_t *labels, float *euclidean, const float *second, int32_t n, int32_t k, int32_t cosine,
                 const double *totals, const double *edges, float *distances, float *margins, float *scores);
  void (*add_features)(const float *points, int32_t n, int32_t dims, double *sums, double *squares);
  int32_t (*gather_every)(const float *points, const double *offsets, int32_t n, int32_t dims, int32_t every, float *out);
  int32_t (*tally)(const float *weights, const int32_t *labels, const float *distances, const double *offsets, int32_t from,
                   int32_t n, int32_t salt, double rank, const double *edges, double *histogram);
} Variant;

extern const Variant variant_avx512vnni, variant_avx512, variant_avx2, variant_baseline;
