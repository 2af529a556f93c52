/* The kernels, in one source for AVX-512, AVX2, SSE2, NEON and WASM SIMD: vector types of GCC and Clang, and three
 * operations that each instruction set spells its own way.
 *
 * Nearest two centroids of a block of points (nearest_two):
 *
 * 1. Points are turned so that a vector holds one feature of LANES points. With h = |c|²/2 the score h − x·c of a centroid
 *    orders centroids as the distance |x|² + |c|² − 2x·c does. A register tile is 2 vectors of points × TILE centroids.
 * 2. The three lowest scores of each lane are kept by minimum and maximum alone: the low five bits of a score are
 *    replaced by the number of its centroid within a chunk of at most 32.
 * 3. Scores are float32, so they err. With u = 2⁻²⁴ the error of dims fused or unfused steps is at most
 *    γ(dims + 2)·(|x|²/2 + |c|²), and the five bits cost at most 2⁻¹⁸ of as much:  |score − exact| ≤ g·(|x|²/2 + |c|²),
 *    g = 1.1·((dims + 4)·u + 2⁻¹⁸), and an absolute share for underflow. Scores are lowered by g·|c|², so a centroid far
 *    away cannot blur the others. Where the third score is further above the second than twice that error, the two first
 *    centroids are the two nearest, whatever the rounding; else (or when a norm nears overflow) all k are computed exactly.
 * 4. Distances of the winner and the runner-up come from differences in float64: lane l of four adds up the features
 *    l, l + 4, …, and the sum is (0 + 1) + (2 + 3). The lower one wins, equal ones go to the lowest index.
 * 5. Where there are products of 16-bit whole numbers, two for the price of one, scores are rough at first: x and c are rounded to
 *    X and C, in steps of their own, and X·C is exact. Scores err by |X|·|c − C| + |x − X|·|c|, |x − X| being at most √dims/2
 *    steps. Rows whose scores are closer than twice that error, or that are so long that a feature may not fit, are gathered,
 *    and get float32 scores. Where these are many, the rest of the call does without.
 *
 * So labels and distances are the same bits as the plain TypeScript kernels', on every machine and at every place in a
 * batch. Statistics are float64, row after row, with the same four lanes. Compile with -ffp-contract=off: only step 1 may
 * fuse. Nothing here allocates; pointers need no alignment. */

#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#define TILE 8
#elif defined(__AVX2__)
#include <immintrin.h>
#define LANES 8
#define TILE 6
#elif defined(__SSE2__)
#include <emmintrin.h>
#define LANES 4
#define TILE 4
#elif defined(__aarch64__)
#include <arm_neon.h>
#define LANES 4
#define TILE 8
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#define LANES 4
#define TILE 4
#else
#error "no vectors known for this machine"
#endif

/* Whether there are products of whole numbers (step 5). */
#if defined(__AVX512VNNI__)
#define ROUGH 1
#else
#define ROUGH 0
#endif

#define CHUNK_BITS 5
#define NUMBER ((1 << CHUNK_BITS) - 1)
#define CHUNK ((1 << CHUNK_BITS) / TILE * TILE)
#define BLOCK (2 * LANES)
#define LINE 64
/* Rows of a fused pass that stay in the cache between assigning and adding up. */
#define FUSED_ROWS 512
/* A score no centroid reaches: the norms of those that take part stay below NORM_MAX. */
#define PADDING 1e38f
#define NORM_MAX 1e36f

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#if defined(VARIANT)
#define EXPORT(name) JOIN(name, VARIANT)
#else
#define EXPORT(name) name
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float floats __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float float4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint32_t uints __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ints_apart __attribute__((may_alias));
typedef double double4 __attribute__((vector_size(32), aligned(8), may_alias));

#if defined(__AVX512F__)
INLINE floats lower(floats a, floats b) { return (floats)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE floats higher(floats a, floats b) { return (floats)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE floats less_product(floats a, floats x, floats y) {
  return (floats)_mm512_fnmadd_ps((__m512)x, (__m512)y, (__m512)a);
}
#elif defined(__AVX2__)
INLINE floats lower(floats a, floats b) { return (floats)_mm256_min_ps((__m256)a, (__m256)b); }
INLINE floats higher(floats a, floats b) { return (floats)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE floats less_product(floats a, floats x, floats y) {
  return (floats)_mm256_fnmadd_ps((__m256)x, (__m256)y, (__m256)a);
}
#elif defined(__SSE2__)
INLINE floats lower(floats a, floats b) { return (floats)_mm_min_ps((__m128)a, (__m128)b); }
INLINE floats higher(floats a, floats b) { return (floats)_mm_max_ps((__m128)a, (__m128)b); }
INLINE floats less_product(floats a, floats x, floats y) { return a - x * y; }
#elif defined(__aarch64__)
INLINE floats lower(floats a, floats b) { return (floats)vminq_f32((float32x4_t)a, (float32x4_t)b); }
INLINE floats higher(floats a, floats b) { return (floats)vmaxq_f32((float32x4_t)a, (float32x4_t)b); }
INLINE floats less_product(floats a, floats x, floats y) {
  return (floats)vfmsq_f32((float32x4_t)a, (float32x4_t)x, (float32x4_t)y);
}
#else
INLINE floats lower(floats a, floats b) { return (floats)wasm_f32x4_pmin((v128_t)a, (v128_t)b); }
INLINE floats higher(floats a, floats b) { return (floats)wasm_f32x4_pmax((v128_t)a, (v128_t)b); }
INLINE floats less_product(floats a, floats x, floats y) { return a - x * y; }
#endif

/* INTERLEAVE(a, b, i): of each four lanes a[i], b[i], a[i + 1], b[i + 1]. PAIRS(a, b, i): a[i], a[i + 1], b[i], b[i + 1]. */
#define INTERLEAVE4(i, at) (at) + (i), LANES + (at) + (i), (at) + (i) + 1, LANES + (at) + (i) + 1
#define PAIRS4(i, at) (at) + (i), (at) + (i) + 1, LANES + (at) + (i), LANES + (at) + (i) + 1
#if LANES == 16
#define FOURS(of, i) of(i, 0), of(i, 4), of(i, 8), of(i, 12)
#elif LANES == 8
#define FOURS(of, i) of(i, 0), of(i, 4)
#else
#define FOURS(of, i) of(i, 0)
#endif
#define INTERLEAVE(a, b, i) __builtin_shufflevector(a, b, FOURS(INTERLEAVE4, i))
#define PAIRS(a, b, i) __builtin_shufflevector(a, b, FOURS(PAIRS4, i))

#if LANES == 16
INLINE floats every_fourth_row(const float *p, size_t stride) {
  const __m512 two = _mm512_insertf32x4(_mm512_castps128_ps512(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * stride), 1);
  const __m512 three = _mm512_insertf32x4(two, _mm_loadu_ps(p + 8 * stride), 2);
  return (floats)_mm512_insertf32x4(three, _mm_loadu_ps(p + 12 * stride), 3);
}
#elif LANES == 8
INLINE floats every_fourth_row(const float *p, size_t stride) {
  return (floats)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * stride), 1);
}
#else
INLINE floats every_fourth_row(const float *p, size_t stride) {
  (void)stride;
  return *(const floats *)p;
}
#endif

INLINE floats broadcast(float value) { return value - (floats){0}; }
INLINE ints broadcast_int(int32_t value) { return value - (ints){0}; }
INLINE ints choose(ints mask, ints a, ints b) { return (mask & a) | (~mask & b); }
/* Four features in float64, and the last one to three with zeros after them: these add nothing to their lanes. */
#if defined(__AVX2__)
/* GCC makes two conversions and a join of the plain one below. */
INLINE double4 widened(const float *from) { return (double4)_mm256_cvtps_pd(_mm_loadu_ps(from)); }
INLINE double4 widened_rest(const float *from, int32_t rest) {
  const __m128i wanted = _mm_cmpgt_epi32(_mm_set1_epi32(rest), _mm_setr_epi32(0, 1, 2, 3));
  return (double4)_mm256_cvtps_pd(_mm_maskload_ps(from, wanted));
}
#else
INLINE double4 widened(const float *from) { return __builtin_convertvector(*(const float4 *)from, double4); }
INLINE double4 widened_rest(const float *from, int32_t rest) {
  return (double4){from[0], rest > 1 ? from[1] : 0, rest > 2 ? from[2] : 0, 0};
}
#endif
INLINE double total(double4 sums) { return (sums[0] + sums[1]) + (sums[2] + sums[3]); }

#if defined(__AVX512F__)
INLINE floats numbered(floats score, ints number) {
  /* score & ~NUMBER | number in one step */
  return (floats)_mm512_ternarylogic_epi32((__m512i)score, _mm512_set1_epi32(NUMBER), (__m512i)number, 0xBA);
}
#else
INLINE floats numbered(floats score, ints number) { return (floats)(((ints)score & ~NUMBER) | number); }
#endif

INLINE int any(ints mask) {
  uint64_t words[LANES / 2], all = 0;
  __builtin_memcpy(words, &mask, sizeof words);
  for (int i = 0; i < LANES / 2; i++) all |= words[i];
  return all != 0;
}

/* ---- panels: centroids in tiles, feature after feature, each tile headed by its scores' beginnings ---- */

INLINE int32_t tile_count(int32_t k) { return (k + TILE - 1) / TILE; }
INLINE size_t tile_floats(int32_t dims) { return (size_t)TILE * (size_t)(dims + 1); }
INLINE double error_factor(int32_t dims) { return 1.1 * ((dims + 4) * 0x1p-24 + 0x1p-18); }
/* Whole numbers of a point, with zeros behind them: as many as LANES, and so four pairs, go into. */
INLINE int32_t rough_stride(int32_t dims) { return (dims + LANES - 1) / LANES * LANES; }

#if ROUGH
/* Lengths in steps: of the longest centroid; below which no feature of a point is cut off, and this is so many times as long. */
#define ROUGH_LONGEST 24000
#define ROUGH_POINT_MAX 32767
#define ROUGH_REACH 2
/* |x·c| ≤ ROUGH_LONGEST · ROUGH_POINT_MAX: with this, scores are positive and no more than PADDING, as numbers of either kind. */
#define ROUGH_BIAS 0x30000000
/* Norms whose steps float32 can say. */
#define ROUGH_NORM_MIN 0x1p-60f

INLINE int32_t pair_count(int32_t dims) { return (dims + 1) / 2; }
INLINE size_t rough_tile_floats(int32_t dims) { return (size_t)TILE * (size_t)(pair_count(dims) + 1); }
INLINE double rough_floats(int32_t k, int32_t dims) { return 2 + (double)tile_count(k) * (double)rough_tile_floats(dims); }
INLINE int32_t can_be_stepped(float highest_norm) { return highest_norm < NORM_MAX && highest_norm >= ROUGH_NORM_MIN; }

/* Steps of points in 1, the largest error of a centroid in its steps, then tiles of −c by pairs of features. */
static void pack_rough(const float *centroids, int32_t k, int32_t dims, float highest_norm, float *rough) {
  if (!can_be_stepped(highest_norm)) return;
  const double longest = __builtin_sqrt(highest_norm) * (1 + 0x1p-20), steps = ROUGH_LONGEST / longest;
  rough[0] = (float)(ROUGH_POINT_MAX / (ROUGH_REACH * longest));
  double error = 0;
  for (int32_t j = 0; j < tile_count(k) * TILE; j++) {
    int32_t *column = (int32_t *)(rough + 2 + j / TILE * rough_tile_floats(dims)) + j % TILE;
    double norm = 0, square = 0;
    for (int32_t d = 0; d < 2 * pair_count(dims); d++) {
      const double value = j < k && d < dims ? -centroids[(size_t)j * dims + d] * steps : 0, whole = __builtin_rint(value);
      norm += value * value;
      square += (value - whole) * (value - whole);
      int32_t *pair = column + (d / 2 + 1) * TILE;
      *pair = d % 2 ? *pair | (int32_t)whole << 16 : (int32_t)whole & 0xffff;
    }
    /* From |c|² in steps of centroids to |c|²/2 in those of products. */
    *column = ROUGH_BIAS + (int32_t)__builtin_rint(norm / 2 * rough[0] / steps);
    if (square > error) error = square;
  }
  rough[1] = (float)(__builtin_sqrt(error) * (1 + 0x1p-20));
}
#else
INLINE size_t rough_tile_floats(int32_t dims) { return 0 * (size_t)dims; }
INLINE double rough_floats(int32_t k, int32_t dims) { return 0 * (double)(k + dims); }
#endif

/* Floats of the panels: the tiles, the squared norms of k centroids, the largest norm, and what rough scores need. */
double EXPORT(panel_floats)(int32_t k, int32_t dims) {
  return (double)(tile_count(k) * tile_floats(dims) + (size_t)k + 1) + rough_floats(k, dims);
}

/* Floats of scratch space: one block of turned points, and one of points gathered for a second look. */
double EXPORT(scratch_floats)(int32_t dims) { return (double)BLOCK * (ROUGH ? rough_stride(dims) + dims : dims); }

void EXPORT(pack)(const float *centroids, int32_t k, int32_t dims, float *panels) {
  const int32_t tiles = tile_count(k);
  const double g = error_factor(dims);
  float *norms = panels + tiles * tile_floats(dims);
  float highest = 0;
  for (int32_t j = 0; j < tiles * TILE; j++) {
    float *tile = panels + (j / TILE) * tile_floats(dims);
    const int32_t column = j % TILE;
    double norm = 0;
    for (int32_t d = 0; d < dims; d++) {
      const float value = j < k ? centroids[(size_t)j * dims + d] : 0;
      tile[TILE * (d + 1) + column] = value;
      norm += (double)value * value;
    }
    tile[column] = j < k ? (float)(norm / 2 - g * norm) : PADDING;
    if (j >= k) continue;
    norms[j] = (float)norm;
    /* Once no number, always: then nothing is scored. */
    if (norms[j] > highest || norms[j] != norms[j]) highest = norms[j];
  }
  norms[k] = highest;
#if ROUGH
  pack_rough(centroids, k, dims, highest, norms + k + 1);
#endif
}

/* ---- scores of one block ---- */

typedef struct {
  floats first, second, third;
  ints first_chunk, second_chunk;
} Lowest;

/* Four vectors, each with four features of LANES / 4 rows (row i, i + 4, …), become one vector of LANES rows per feature. */
INLINE void turn_four(const float *p, size_t dims, floats out[4]) {
  const floats a = every_fourth_row(p, dims), b = every_fourth_row(p + dims, dims);
  const floats c = every_fourth_row(p + 2 * dims, dims), e = every_fourth_row(p + 3 * dims, dims);
  const floats ab = INTERLEAVE(a, b, 0), AB = INTERLEAVE(a, b, 2);
  const floats ce = INTERLEAVE(c, e, 0), CE = INTERLEAVE(c, e, 2);
  out[0] = PAIRS(ab, ce, 0);
  out[1] = PAIRS(ab, ce, 2);
  out[2] = PAIRS(AB, CE, 0);
  out[3] = PAIRS(AB, CE, 2);
}

/* LANES rows at once; the last one to three features are the end of a vector that overlaps the one before. */
INLINE floats turn_rows(const float *p, int32_t dims, float *turned) {
  /* Two chains: one would wait for its own additions. */
  floats less[2] = {{0}}, out[4];
  int32_t d = 0;
  for (; d + 4 <= dims; d += 4) {
    turn_four(p + d, (size_t)dims, out);
    for (int i = 0; i < 4; i++) {
      *(floats *)(turned + (size_t)(d + i) * BLOCK) = out[i];
      less[i & 1] = less_product(less[i & 1], out[i], out[i]);
    }
  }
  if (d < dims) {
    turn_four(p + dims - 4, (size_t)dims, out);
    for (int i = 1; i < 4; i++) {
      if (dims - 4 + i < d) continue;
      *(floats *)(turned + (size_t)(dims - 4 + i) * BLOCK) = out[i];
      less[i & 1] = less_product(less[i & 1], out[i], out[i]);
    }
  }
  return -(less[0] + less[1]);
}

/* Turns `rows` points (the rest of the block is zeros) into one vector of points per feature; their squared norms. */
INLINE void turn(const float *points, int32_t rows, int32_t dims, float *turned, floats norms[2]) {
  if (rows == BLOCK && dims >= 4) {
    for (int p = 0; p < 2; p++) {
      norms[p] = turn_rows(points + (size_t)(p * LANES) * dims, dims, turned + p * LANES);
    }
    return;
  }
  floats less[2] = {{0}};
  for (int32_t d = 0; d < dims; d++) {
    float *out = turned + (size_t)d * BLOCK;
    for (int32_t row = 0; row < BLOCK; row++) out[row] = row < rows ? points[(size_t)row * dims + d] : 0;
    for (int p = 0; p < 2; p++) less[p] = less_product(less[p], ((const floats *)out)[p], ((const floats *)out)[p]);
  }
  for (int p = 0; p < 2; p++) norms[p] = -less[p];
}

/* The scores of the first `count` centroids of a tile. */
INLINE void score_tile(const float *turned, int32_t dims, const float *tile, int32_t count, floats scores[TILE][2]) {
  for (int32_t c = 0; c < count; c++) scores[c][0] = scores[c][1] = broadcast(tile[c]);
  const float *column = tile + TILE;
  for (int32_t d = 0; d < dims; d++, column += TILE, turned += BLOCK) {
    const floats x0 = ((const floats *)turned)[0], x1 = ((const floats *)turned)[1];
    for (int32_t c = 0; c < count; c++) {
      const floats value = broadcast(column[c]);
      scores[c][0] = less_product(scores[c][0], x0, value);
      scores[c][1] = less_product(scores[c][1], x1, value);
    }
  }
}

#if ROUGH
/* GCC 12 copies every sum before it adds to it when told by the intrinsic. */
INLINE void add_products(floats *sums, floats x, ints value) { __asm__("vpdpwssd %2, %1, %0" : "+v"(*sums) : "v"(x), "v"(value)); }

/* Scores that are whole numbers: positive, so as floats they are in the same order. */
INLINE void score_tile_roughly(const float *turned, int32_t dims, const float *tile, const float *rough, int32_t count,
                               floats scores[TILE][2]) {
  (void)tile;
  for (int32_t c = 0; c < count; c++) scores[c][0] = scores[c][1] = (floats)broadcast_int(((const ints_apart *)rough)[c]);
  for (int32_t pair = 0; pair < pair_count(dims); pair++, turned += BLOCK) {
    rough += TILE;
    const floats x0 = ((const floats *)turned)[0], x1 = ((const floats *)turned)[1];
    for (int32_t c = 0; c < count; c++) {
      const ints value = broadcast_int(((const ints_apart *)rough)[c]);
      add_products(&scores[c][0], x0, value);
      add_products(&scores[c][1], x1, value);
    }
  }
}
#else
INLINE void score_tile_roughly(const float *turned, int32_t dims, const float *tile, const float *rough, int32_t count,
                               floats scores[TILE][2]) {
  (void)rough;
  score_tile(turned, dims, tile, count, scores);
}
#endif

/* The lowest keys of a chunk so far, each with its centroid's number in the low bits. */
typedef struct {
  floats first[2], second[2], third[2];
} Keys;

INLINE void keep_lowest(const float *turned, int32_t dims, const float *tile, const float *rough, int32_t count,
                        int32_t number, int three, Keys *keys) {
  floats scores[TILE][2];
  if (rough) score_tile_roughly(turned, dims, tile, rough, count, scores);
  else score_tile(turned, dims, tile, count, scores);
  for (int32_t c = 0; c < count; c++) {
    for (int p = 0; p < 2; p++) {
      const floats key = numbered(scores[c][p], broadcast_int(number + c));
      const floats beyond_first = higher(keys->first[p], key);
      if (three) keys->third[p] = lower(keys->third[p], higher(keys->second[p], beyond_first));
      keys->second[p] = lower(keys->second[p], beyond_first);
      keys->first[p] = lower(keys->first[p], key);
    }
  }
}

/* The last tile may have fewer centroids: nothing is computed for those it lacks. */
INLINE void keep_lowest_of(const float *turned, int32_t dims, const float *tile, const float *rough, int32_t count,
                           int32_t number, int three, Keys *keys) {
  if (count == TILE) keep_lowest(turned, dims, tile, rough, TILE, number, three, keys);
  else if (count == 1) keep_lowest(turned, dims, tile, rough, 1, number, three, keys);
  else if (count == 2) keep_lowest(turned, dims, tile, rough, 2, number, three, keys);
  else if (count == 3) keep_lowest(turned, dims, tile, rough, 3, number, three, keys);
#if TILE > 4
  else if (count == 4) keep_lowest(turned, dims, tile, rough, 4, number, three, keys);
  else if (count == 5) keep_lowest(turned, dims, tile, rough, 5, number, three, keys);
#endif
#if TILE > 6
  else if (count == 6) keep_lowest(turned, dims, tile, rough, 6, number, three, keys);
  else keep_lowest(turned, dims, tile, rough, 7, number, three, keys);
#endif
}

INLINE void offer(Lowest *lowest, floats key, ints chunk) {
  const ints below_first = key < lowest->first, below_second = key < lowest->second;
  lowest->third = lower(lowest->third, higher(lowest->second, key));
  lowest->second_chunk = choose(below_first, lowest->first_chunk, choose(below_second, chunk, lowest->second_chunk));
  lowest->second = lower(lowest->second, higher(lowest->first, key));
  lowest->first_chunk = choose(below_first, chunk, lowest->first_chunk);
  lowest->first = lower(lowest->first, key);
}

/* With `three` unset only the two lowest are true, which is enough for labels alone. */
INLINE void lowest_of_block(const float *turned, int32_t dims, const float *panels, const float *rough, int32_t k,
                            int three, const char *next, Lowest lowest[2]) {
  const int32_t tiles = tile_count(k);
  /* The next block is fetched meanwhile, a share with each tile. */
  const int32_t share = ((int32_t)(BLOCK * sizeof(float)) * dims + tiles - 1) / tiles;
  for (int p = 0; p < 2; p++) {
    lowest[p].first = lowest[p].second = lowest[p].third = broadcast(PADDING);
    lowest[p].first_chunk = lowest[p].second_chunk = (ints){0};
  }
  for (int32_t chunk = 0; chunk < tiles; chunk += CHUNK / TILE) {
    Keys keys;
    for (int p = 0; p < 2; p++) keys.first[p] = keys.second[p] = keys.third[p] = broadcast(PADDING);
    const int32_t end = chunk + CHUNK / TILE < tiles ? chunk + CHUNK / TILE : tiles;
    for (int32_t t = chunk; t < end; t++) {
      for (int32_t b = 0; b < share; b += LINE) __builtin_prefetch(next + b);
      next += share;
      const int32_t rest = k - t * TILE, count = rest < TILE ? rest : TILE;
      const float *rough_tile = rough ? rough + (size_t)t * rough_tile_floats(dims) : 0;
      const int32_t number = (t - chunk) * TILE;
      keep_lowest_of(turned, dims, panels + t * tile_floats(dims), rough_tile, count, number, three, &keys);
    }
    for (int p = 0; p < 2; p++) {
      offer(&lowest[p], keys.first[p], broadcast_int(chunk * TILE));
      offer(&lowest[p], keys.second[p], broadcast_int(chunk * TILE));
      lowest[p].third = lower(lowest[p].third, keys.third[p]);
    }
  }
}

/* ---- exact distances ---- */

static double exact_distance(const float *x, const float *c, int32_t dims) {
  double4 sums = {0};
  int32_t d = 0;
  for (; d + 4 <= dims; d += 4) {
    const double4 difference = widened(x + d) - widened(c + d);
    sums += difference * difference;
  }
  if (d < dims) {
    const double4 difference = widened_rest(x + d, dims - d) - widened_rest(c + d, dims - d);
    sums += difference * difference;
  }
  return total(sums);
}

INLINE void exact_pair(const float *x, const float *a, const float *b, int32_t dims, double out[2]) {
  double4 to_a = {0}, to_b = {0};
  int32_t d = 0;
  for (; d + 4 <= dims; d += 4) {
    const double4 value = widened(x + d);
    const double4 from_a = value - widened(a + d), from_b = value - widened(b + d);
    to_a += from_a * from_a;
    to_b += from_b * from_b;
  }
  if (d < dims) {
    const double4 value = widened_rest(x + d, dims - d);
    const double4 from_a = value - widened_rest(a + d, dims - d), from_b = value - widened_rest(b + d, dims - d);
    to_a += from_a * from_a;
    to_b += from_b * from_b;
  }
  out[0] = total(to_a);
  out[1] = total(to_b);
}

/* What the plain kernel does: all k, in order. A NaN is never nearest. */
static int32_t exact_scan(const float *x, const float *centroids, int32_t k, int32_t dims, double out[2]) {
  int32_t label = 0;
  out[0] = out[1] = __builtin_inf();
  for (int32_t j = 0; j < k; j++) {
    const double distance = exact_distance(x, centroids + (size_t)j * dims, dims);
    if (distance < out[0]) {
      out[1] = out[0];
      out[0] = distance;
      label = j;
    } else if (distance < out[1]) {
      out[1] = distance;
    }
  }
  return label;
}

/* ---- exported kernels ---- */

/* What the float32 scores say about one block. `unsure` is set when, for any row of it, the error may be larger than
 * the gap behind the first; judged by the largest norm of all centroids, so rows may yet be sure one by one. */
typedef struct {
  float norms[BLOCK], first[BLOCK], second[BLOCK], third[BLOCK];
  int32_t first_label[BLOCK], second_label[BLOCK];
  int unsure;
} Scored;

typedef struct {
  const float *centroids, *panels, *norms;
  int32_t k, dims, tiles;
  /* The error of a score is at most g·(|x|²/2 + |c|²) + underflow. */
  float g, underflow, highest_norm;
} Model;

INLINE Model model_of(const float *centroids, int32_t k, int32_t dims, const float *panels) {
  Model model = {.centroids = centroids, .panels = panels, .k = k, .dims = dims, .tiles = tile_count(k)};
  model.norms = panels + model.tiles * tile_floats(dims);
  model.highest_norm = model.norms[k];
  model.g = (float)error_factor(dims);
  model.underflow = (dims + 128) * 0x1p-148f;
  return model;
}

INLINE const float *centroid(const Model *model, int32_t j) { return model->centroids + (size_t)j * model->dims; }

/* By how much two scores must differ to be surely different, the nearer one's centroid having this norm at most. */
INLINE float gap_needed(const Model *model, float point_norm, float centroid_norm) {
  return model->g * point_norm + 2 * model->g * centroid_norm + model->underflow;
}

INLINE void score_block(const Model *model, const float *block, int32_t rows, int three, float *scratch,
                        Scored *scored) {
  floats norms[2];
  Lowest lowest[2];
  ints unsure = {0};
  turn(block, rows, model->dims, scratch, norms);
  lowest_of_block(scratch, model->dims, model->panels, 0, model->k, three,
                  (const char *)(block + (size_t)BLOCK * model->dims), lowest);
  for (int p = 0; p < 2; p++) {
    const int32_t at = p * LANES;
    const floats gap = lowest[p].second - lowest[p].first;
    unsure |= ~(gap > model->g * norms[p] + broadcast(gap_needed(model, 0, model->highest_norm)));
    *(floats *)(scored->norms + at) = norms[p];
    *(floats *)(scored->first + at) = lowest[p].first;
    *(floats *)(scored->second + at) = lowest[p].second;
    *(floats *)(scored->third + at) = lowest[p].third;
    *(ints *)(scored->first_label + at) = lowest[p].first_chunk + ((ints)lowest[p].first & NUMBER);
    *(ints *)(scored->second_label + at) = lowest[p].second_chunk + ((ints)lowest[p].second & NUMBER);
  }
  scored->unsure = any(unsure);
}

/* Labels of one block of which the first `rows` count, and `filled` are there. Returns how many needed the exact scan. */
INLINE int32_t label_block(const Model *model, const float *block, int32_t rows, int32_t filled, float *scratch,
                           int32_t *labels) {
  const int scorable = model->highest_norm < NORM_MAX;
  int32_t scanned = 0;
  Scored scored;
  if (scorable) score_block(model, block, filled, 0, scratch, &scored);
  if (!scorable || scored.unsure) {
    for (int32_t row = 0; row < rows; row++) {
      if (scorable && scored.first_label[row] < model->k) {
        const float norm = model->norms[scored.first_label[row]];
        if (scored.second[row] - scored.first[row] > gap_needed(model, scored.norms[row], norm)) continue;
      }
      double both[2];
      const float *x = block + (size_t)row * model->dims;
      scored.first_label[row] = exact_scan(x, model->centroids, model->k, model->dims, both);
      scanned++;
    }
  }
  if (rows == BLOCK) {
    __builtin_memcpy(labels, scored.first_label, sizeof scored.first_label);
  } else {
    for (int32_t row = 0; row < rows; row++) labels[row] = scored.first_label[row];
  }
  return scanned;
}

INLINE void label_distances(const Model *model, const float *block, int32_t rows, const int32_t *labels,
                            float *distances) {
  for (int32_t row = 0; row < rows; row++) {
    const float *x = block + (size_t)row * model->dims;
    const double distance = exact_distance(x, centroid(model, labels[row]), model->dims);
    distances[row] = distance == distance ? (float)distance : __builtin_inff();
  }
}

/* The two nearest of a row, these being the two, in whatever order. */
INLINE void tell_two(const Model *model, const float *x, int32_t label, int32_t other, int32_t *labels, float *nearest,
                     float *second) {
  double distances[2];
  exact_pair(x, centroid(model, label), centroid(model, other), model->dims, distances);
  const int swapped = distances[1] < distances[0] || (distances[1] == distances[0] && other < label);
  *labels = swapped ? other : label;
  *nearest = (float)distances[swapped];
  *second = (float)distances[!swapped];
}

/* As label_block, the two nearest. */
static int32_t two_of_block(const Model *model, const float *block, int32_t rows, int32_t filled, float *scratch,
                            int32_t *labels, float *nearest, float *second) {
  const int32_t k = model->k, scorable = k > 1 && model->highest_norm < NORM_MAX;
  int32_t scanned = 0;
  Scored scored;
  if (scorable) score_block(model, block, filled, 1, scratch, &scored);
  for (int32_t row = 0; row < rows; row++) {
    const float *x = block + (size_t)row * model->dims;
    int32_t label = 0, other = 0, sure = 0;
    if (scorable) {
      label = scored.first_label[row];
      other = scored.second_label[row];
      if (label < k && other < k) {
        const float norm = model->norms[label] > model->norms[other] ? model->norms[label] : model->norms[other];
        sure = scored.third[row] - scored.second[row] > gap_needed(model, scored.norms[row], norm);
      }
    }
    if (sure) {
      tell_two(model, x, label, other, labels + row, nearest + row, second + row);
    } else {
      double distances[2];
      labels[row] = exact_scan(x, model->centroids, k, model->dims, distances);
      nearest[row] = (float)distances[0];
      second[row] = (float)distances[1];
      scanned++;
    }
  }
  return scanned;
}

#if ROUGH
/* Shapes for which rough scores pay. */
#define ROUGH_K_MIN 16
#define ROUGH_DIMS_MIN 8
#define ROUGH_DIMS_MAX 4096
/* Blocks after which it is judged whether rough scores settle enough: a third of the rows may need a second look. */
#define ROUGH_TRIAL 8

INLINE int can_be_rough(const Model *model) {
  return model->k >= ROUGH_K_MIN && model->dims >= ROUGH_DIMS_MIN && model->dims <= ROUGH_DIMS_MAX &&
         can_be_stepped(model->highest_norm);
}

/* A block in whole numbers: one vector of points per pair of features; their squared lengths, or the largest number. */
INLINE void turn_pairs(const float *block, int32_t dims, float steps, float *turned, ints norms[2]) {
  const int32_t stride = rough_stride(dims);
  int16_t *const rows = (int16_t *)(turned + BLOCK * stride / 2);
  for (int32_t row = 0; row < BLOCK; row++) {
    for (int32_t d = 0; d < dims; d += LANES) {
      const __mmask16 there = (__mmask16)(dims - d < LANES ? (1 << (dims - d)) - 1 : -1);
      const __m512 value = _mm512_maskz_loadu_ps(there, block + (size_t)row * dims + d);
      const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(value, _mm512_set1_ps(steps)));
      _mm256_storeu_si256((__m256i_u *)(rows + row * stride + d), _mm512_cvtsepi32_epi16(whole));
    }
  }
  norms[0] = norms[1] = (ints){0};
  for (int32_t pair = 0; pair < stride / 2; pair += 4) {
    for (int p = 0; p < 2; p++) {
      floats four[4];
      turn_four((const float *)(rows + p * LANES * stride) + pair, (size_t)stride / 2, four);
      for (int i = 0; i < 4; i++) {
        *(floats *)(turned + (pair + i) * BLOCK + p * LANES) = four[i];
        norms[p] = (ints)_mm512_dpwssds_epi32((__m512i)norms[p], (__m512i)four[i], (__m512i)four[i]);
      }
    }
  }
}

/* The nearest of a whole block, or the two nearest, where rough scores settle them. @returns a bit for each row they leave open */
INLINE uint32_t settle_roughly(const Model *model, const float *block, int two, float *scratch, int32_t *first,
                               int32_t *second) {
  const int32_t dims = model->dims;
  const float *rough = model->norms + model->k + 1;
  const float least = (float)(1.02 * ROUGH_LONGEST * __builtin_sqrt(dims) + 80);
  ints norms[2];
  Lowest lowest[2];
  uint32_t open = 0;
  turn_pairs(block, dims, rough[0], scratch, norms);
  lowest_of_block(scratch, dims, model->panels, rough + 2, model->k, two, (const char *)(block + (size_t)BLOCK * dims), lowest);
  for (int p = 0; p < 2; p++) {
    const floats length = (floats)_mm512_sqrt_ps(_mm512_cvtepi32_ps((__m512i)norms[p]));
    const ints gap = two ? (ints)lowest[p].third - (ints)lowest[p].second : (ints)lowest[p].second - (ints)lowest[p].first;
    const ints sure = ((floats)_mm512_cvtepi32_ps((__m512i)gap) > 2.02f * rough[1] * length + least) &
                      (norms[p] < ROUGH_POINT_MAX * ROUGH_POINT_MAX);
    *(ints *)(first + p * LANES) = lowest[p].first_chunk + ((ints)lowest[p].first & NUMBER);
    if (two) *(ints *)(second + p * LANES) = lowest[p].second_chunk + ((ints)lowest[p].second & NUMBER);
    open |= (uint32_t)(uint16_t)~_mm512_movepi32_mask((__m512i)sure) << (p * LANES);
  }
  return open;
}

/* Rows that wait for float32 scores. */
typedef struct {
  int32_t count, rows[BLOCK];
  float *points;
} Open;

/* Rare, so once for all. */
static __attribute__((noinline)) int32_t settle(const Model *model, Open *open, float *scratch, int32_t *labels,
                                                float *distances, float *second) {
  const int32_t count = open->count, dims = model->dims;
  int32_t own[BLOCK];
  float exact[BLOCK], others[BLOCK];
  /* A whole block is turned faster than part of one. */
  for (int32_t row = count; row < BLOCK; row++) {
    __builtin_memcpy(open->points + (size_t)row * dims, open->points, sizeof(float) * dims);
  }
  const int32_t scanned = second ? two_of_block(model, open->points, count, BLOCK, scratch, own, exact, others)
                                 : label_block(model, open->points, count, BLOCK, scratch, own);
  if (distances && !second) label_distances(model, open->points, count, own, exact);
  for (int32_t i = 0; i < count; i++) {
    labels[open->rows[i]] = own[i];
    if (distances) distances[open->rows[i]] = exact[i];
    if (second) second[open->rows[i]] = others[i];
  }
  open->count = 0;
  return scanned;
}

/* Takes whole blocks as long as rough scores pay; with `second`, for the two nearest. Returns how many rows are done. */
INLINE int32_t nearest_roughly(const Model *model, const float *points, int32_t n, float *scratch, int32_t *labels,
                               float *distances, float *second, int32_t *scanned) {
  const int32_t dims = model->dims;
  Open open = {.points = scratch + BLOCK * rough_stride(dims)};
  int32_t from = 0, reopened = 0;
  for (; from + BLOCK <= n; from += BLOCK) {
    if (from >= ROUGH_TRIAL * BLOCK && reopened > from / 3) break;
    const float *block = points + (size_t)from * dims;
    int32_t others[BLOCK];
    const uint32_t left = settle_roughly(model, block, second != 0, scratch, labels + from, others);
    reopened += __builtin_popcount(left);
    for (uint32_t rest = left; rest; rest &= rest - 1) {
      const int32_t row = __builtin_ctz(rest);
      labels[from + row] = 0;
      __builtin_memcpy(open.points + (size_t)open.count * dims, block + (size_t)row * dims, sizeof(float) * dims);
      open.rows[open.count++] = from + row;
      if (open.count == BLOCK) *scanned += settle(model, &open, scratch, labels, distances, second);
    }
    if (second) {
      for (uint32_t rest = ~left; rest; rest &= rest - 1) {
        const int32_t row = __builtin_ctz(rest), at = from + row;
        tell_two(model, block + (size_t)row * dims, labels[at], others[row], labels + at, distances + at, second + at);
      }
    } else if (distances) {
      label_distances(model, block, BLOCK, labels + from, distances + from);
    }
  }
  if (open.count > 0) *scanned += settle(model, &open, scratch, labels, distances, second);
  return from;
}
#endif

/* Labels, and their squared distances unless `distances` is absent. Returns how many points needed the exact scan. */
int32_t EXPORT(nearest)(const float *points, int32_t n, int32_t dims, const float *centroids, int32_t k,
                        const float *panels, float *scratch, int32_t *labels, float *distances) {
  const Model model = model_of(centroids, k, dims, panels);
  int32_t scanned = 0, from = 0;
#if ROUGH
  if (can_be_rough(&model)) from = nearest_roughly(&model, points, n, scratch, labels, distances, 0, &scanned);
#endif
  for (; from < n; from += BLOCK) {
    const int32_t rows = n - from < BLOCK ? n - from : BLOCK;
    const float *block = points + (size_t)from * dims;
    scanned += label_block(&model, block, rows, rows, scratch, labels + from);
    if (distances) label_distances(&model, block, rows, labels + from, distances + from);
  }
  return scanned;
}

/* labels, nearest and second: n each; second is Infinity when k is 1. Returns how many points needed the exact scan. */
int32_t EXPORT(nearest_two)(const float *points, int32_t n, int32_t dims, const float *centroids, int32_t k,
                            const float *panels, float *scratch, int32_t *labels, float *nearest, float *second) {
  const Model model = model_of(centroids, k, dims, panels);
  int32_t scanned = 0, from = 0;
#if ROUGH
  if (can_be_rough(&model)) from = nearest_roughly(&model, points, n, scratch, labels, nearest, second, &scanned);
#endif
  for (; from < n; from += BLOCK) {
    const int32_t rows = n - from < BLOCK ? n - from : BLOCK;
    const float *block = points + (size_t)from * dims;
    scanned += two_of_block(&model, block, rows, rows, scratch, labels + from, nearest + from, second + from);
  }
  return scanned;
}

/* Adds Σw, Σw·(x − r) and Σw·|(x − r)·inverse|² per label to `sums`: k, then k × dims, then k numbers. Weights and inverse
 * may be absent. */
void EXPORT(accumulate)(const float *values, const float *weights, const int32_t *labels, int32_t n, int32_t dims,
                        int32_t k, const double *reference, const double *inverse, double *sums) {
  double *residual_sums = sums + k, *square_sums = residual_sums + (size_t)k * dims;
  for (int32_t row = 0; row < n; row++) {
    const float *x = values + (size_t)row * dims;
    const int32_t label = labels[row];
    const double *r = reference + (size_t)label * dims;
    double *sum = residual_sums + (size_t)label * dims;
    const double weight = weights ? weights[row] : 1;
    double4 squares = {0};
    int32_t d = 0;
    for (; d + 4 <= dims; d += 4) {
      double4 residual = widened(x + d) - *(const double4 *)(r + d);
      *(double4 *)(sum + d) += weight * residual;
      if (inverse) residual *= *(const double4 *)(inverse + d);
      squares += residual * residual;
    }
    if (d < dims) {
      double rest[4] = {0};
      for (int32_t lane = 0; d + lane < dims; lane++) {
        const double residual = x[d + lane] - r[d + lane];
        sum[d + lane] += weight * residual;
        rest[lane] = inverse ? residual * inverse[d + lane] : residual;
      }
      const double4 residual = {rest[0], rest[1], rest[2], rest[3]};
      squares += residual * residual;
    }
    sums[label] += weight;
    square_sums[label] += weight * total(squares);
  }
}

/* Both, a few rows at a time, so that a row is still in the cache when it is added up. */
int32_t EXPORT(assign_accumulate)(const float *points, const float *weights, int32_t n, int32_t dims,
                                  const float *centroids, int32_t k, const float *panels, float *scratch,
                                  const double *reference, int32_t *labels, double *sums) {
  int32_t scanned = 0;
  for (int32_t from = 0; from < n; from += FUSED_ROWS) {
    const int32_t rows = n - from < FUSED_ROWS ? n - from : FUSED_ROWS;
    const float *block = points + (size_t)from * dims;
    scanned += EXPORT(nearest)(block, rows, dims, centroids, k, panels, scratch, labels + from, 0);
    EXPORT(accumulate)(block, weights ? weights + from : 0, labels + from, rows, dims, k, reference, 0, sums);
  }
  return scanned;
}

/* Squared distances of n points to m others, float64 by differences: out is n × m. */
void EXPORT(pairwise)(const float *points, int32_t n, const float *others, int32_t m, int32_t dims, double *out) {
  for (int32_t row = 0; row < n; row++) {
    const float *x = points + (size_t)row * dims;
    int32_t j = 0;
    for (; j + 2 <= m; j += 2) {
      const float *c = others + (size_t)j * dims;
      exact_pair(x, c, c + dims, dims, out + (size_t)row * m + j);
    }
    if (j < m) out[(size_t)row * m + j] = exact_distance(x, others + (size_t)j * dims, dims);
  }
}

/* Dot products of n points with the k packed centroids, float32: out is n × k. Error at most γ(dims)·Σ|x·c|. */
void EXPORT(dots)(const float *points, int32_t n, int32_t dims, int32_t k, const float *panels, float *scratch,
                  float *out) {
  const int32_t tiles = tile_count(k);
  for (int32_t from = 0; from < n; from += BLOCK) {
    const int32_t rows = n - from < BLOCK ? n - from : BLOCK;
    floats norms[2];
    turn(points + (size_t)from * dims, rows, dims, scratch, norms);
    for (int32_t t = 0; t < tiles; t++) {
      const float *column = panels + t * tile_floats(dims) + TILE;
      const float *x = scratch;
      floats scores[TILE][2] = {{{0}}};
      for (int32_t d = 0; d < dims; d++, column += TILE, x += BLOCK) {
        const floats x0 = ((const floats *)x)[0], x1 = ((const floats *)x)[1];
        for (int32_t c = 0; c < TILE; c++) {
          const floats value = broadcast(column[c]);
          scores[c][0] = less_product(scores[c][0], x0, value);
          scores[c][1] = less_product(scores[c][1], x1, value);
        }
      }
      for (int32_t c = 0; c < TILE && t * TILE + c < k; c++) {
        for (int32_t row = 0; row < rows; row++) {
          out[(size_t)(from + row) * k + t * TILE + c] = 0 - scores[c][row / LANES][row % LANES];
        }
      }
    }
  }
}

static inline float clamped(double value, double limit) {
  return (float)(value > limit ? limit : value < -limit ? -limit : value);
}

static inline float clamped_float(float value, float limit) {
  const float low = limit < value ? limit : value;
  return -limit > low ? -limit : low;
}

#if defined(__FMA__)
#define SCALED_AT_ONCE 64

/* Whether nothing on the way to a quotient overflows, or loses bits that count. */
static int are_moderate(const double *mean, const double *scale, int32_t dims) {
  int moderate = 1;
  for (int32_t d = 0; d < dims; d++) moderate &= __builtin_fabs(mean[d]) < 0x1p300 && scale[d] > 0x1p-300 && scale[d] < 0x1p300;
  return moderate;
}

/* A division takes as long as twenty products. The same bits come of a product with 1 / scale and two corrections by what is left
 * over: P. W. Markstein, Computation of elementary functions on the IBM RISC System/6000 processor, 1990: the first
 * makes the quotient one of the two numbers next to the true one, and from there the second rounds as a division does. Of
 * the negative quotient: so a zero keeps its sign. */
static void scale_by_products(const float *values, int32_t n, int32_t dims, const double *mean, const double *scale,
                              double limit, float *out) {
  for (int32_t from = 0; from < dims; from += SCALED_AT_ONCE) {
    const int32_t some = dims - from < SCALED_AT_ONCE ? dims - from : SCALED_AT_ONCE;
    const double *const m = mean + from, *const s = scale + from;
    double inverse[SCALED_AT_ONCE];
    for (int32_t d = 0; d < some; d++) inverse[d] = -1 / s[d];
    for (int32_t row = 0; row < n; row++) {
      const float *x = values + (size_t)row * dims + from;
      float *scaled = out + (size_t)row * dims + from;
      for (int32_t d = 0; d < some; d++) {
        const double value = x[d] - m[d];
        double negative = value * inverse[d];
        negative = __builtin_fma(__builtin_fma(negative, s[d], value), inverse[d], negative);
        negative = __builtin_fma(__builtin_fma(negative, s[d], value), inverse[d], negative);
        scaled[d] = clamped_float((float)-negative, (float)limit);
      }
    }
  }
}
#endif

/* (value − mean) / scale in float64, clamped to ±limit, as float32: out is n × dims, and may be values. */
void EXPORT(scale_points)(const float *values, int32_t n, int32_t dims, const double *mean, const double *scale,
                          double limit, float *out) {
#if defined(__FMA__)
  if (are_moderate(mean, scale, dims)) {
    scale_by_products(values, n, dims, mean, scale, limit, out);
    return;
  }
#endif
  for (int32_t row = 0; row < n; row++) {
    const float *x = values + (size_t)row * dims;
    float *scaled = out + (size_t)row * dims;
    for (int32_t d = 0; d < dims; d++) scaled[d] = clamped((x[d] - mean[d]) / scale[d], limit);
  }
}

#if defined(VARIANT)
#include "variants.h"

#include "bounds.h"
#include "stream.h"

#define TEXT2(a) #a
#define TEXT(a) TEXT2(a)

const Variant JOIN(variant, VARIANT) = {
    .name = TEXT(VARIANT),
    .panel_floats = EXPORT(panel_floats),
    .scratch_floats = EXPORT(scratch_floats),
    .pack = EXPORT(pack),
    .nearest = EXPORT(nearest),
    .nearest_two = EXPORT(nearest_two),
    .accumulate = EXPORT(accumulate),
    .assign_accumulate = EXPORT(assign_accumulate),
    .pairwise = EXPORT(pairwise),
    .dots = EXPORT(dots),
    .scale_points = EXPORT(scale_points),
    .prove_labels = EXPORT(prove_labels),
    .transfer = EXPORT(transfer),
    .own_squares = EXPORT(own_squares),
    .nearest_bounds = EXPORT(nearest_bounds),
    .answer = EXPORT(answer),
    .add_features = EXPORT(add_features),
    .gather_every = EXPORT(gather_every),
    .tally = EXPORT(tally),
};
#endif
