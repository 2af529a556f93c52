/* The inner loops of the column codecs as machine code. Each function does as many rows as it can and says where it stopped: a
 * row that is odd in any way (a key to be escaped, a header, a number out of the plain range, a length that does not fit, no room
 * left) is for the TypeScript that these functions repeat byte for byte. So nothing here throws because of a record, and every
 * fault is found and named in one place.
 *
 *   readFloat32Points   record values → rows of points            (schemas/point-decoder.ts)
 *   readJsonPoints      the same, of vectors in JSON              (schemas/point-reader.ts, schemas/json-cursor.ts)
 *   writeAssignments    columns → JSON values in a record arena   (schemas/assignment-encoder.ts)
 *   readRecords         bytes of a batch → record columns         (broker/kafka/record-batch-decoder.ts)
 *   writeRecords        record columns → bytes of a batch         (broker/kafka/record-batch-encoder.ts)
 *   crc32c              its checksum, where the processor has instructions for it
 */

#include <math.h>
#include <node_api.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "number-text.h"

#define ARGUMENTS_MAX 32

/* ---- arguments ---------------------------------------------------------------------------------------------------------- */

typedef struct {
  napi_env env;
  napi_value arguments[ARGUMENTS_MAX];
  size_t next;
  int refused;
} Call;

typedef struct {
  uint8_t *at;
  size_t length;
} Bytes;

static Call begin(napi_env env, napi_callback_info info) {
  Call call = {.env = env};
  size_t count = ARGUMENTS_MAX;
  if (napi_get_cb_info(env, info, &count, call.arguments, NULL, NULL) != napi_ok) call.refused = 1;
  return call;
}

static void refuse(Call *call, const char *message) {
  if (!call->refused) napi_throw_range_error(call->env, "MEANSTREAM_CODEC_ARGUMENT", message);
  call->refused = 1;
}

static double number(Call *call) {
  double value = 0;
  if (napi_get_value_double(call->env, call->arguments[call->next++], &value) != napi_ok) refuse(call, "a number is missing");
  return value;
}

/* A whole number, 0 at least: a count, a row or a place. */
static size_t place(Call *call) {
  const double value = number(call);
  if (!(value >= 0 && value <= 2147483647)) refuse(call, "a count is not one");
  return call->refused ? 0 : (size_t)value;
}

static Bytes bytes(Call *call) {
  napi_typedarray_type type;
  Bytes found = {NULL, 0};
  void *data = NULL;
  const napi_value value = call->arguments[call->next++];
  if (napi_get_typedarray_info(call->env, value, &type, &found.length, &data, NULL, NULL) != napi_ok ||
      type != napi_uint8_array) {
    refuse(call, "bytes are missing");
  }
  found.at = data;
  return found;
}

/* @param least elements it must have. */
static void *column(Call *call, napi_typedarray_type wanted, size_t least) {
  napi_typedarray_type type;
  size_t length = 0;
  void *data = NULL;
  const napi_value value = call->arguments[call->next++];
  if (napi_get_typedarray_info(call->env, value, &type, &length, &data, NULL, NULL) != napi_ok || type != wanted ||
      length < least) {
    refuse(call, "a column is missing, too short or of another type");
  }
  return data;
}

static napi_value answer(Call *call, size_t value) {
  napi_value result = NULL;
  if (!call->refused) napi_create_double(call->env, (double)value, &result);
  return result;
}

static int within(int32_t start, int32_t end, size_t length) {
  return start >= 0 && end >= start && (size_t)end <= length;
}

/* ---- points ------------------------------------------------------------------------------------------------------------- */

/* readFloat32Points and readJsonPoints(bytesMax, row, rows, n, dims, bytes, valueStarts, valueEnds, recordTimestamps, recordOffsets,
 *                                      values, weights, timestamps, offsets, sourceRows)
 * → the first row not read; points from n on are filled */
typedef struct {
  size_t bytes_max, row, rows, to, dims;
  Bytes in;
  const int32_t *starts, *ends;
  const double *record_timestamps, *record_offsets;
  float *values, *weights;
  double *timestamps, *offsets;
  int32_t *source_rows;
} Points;

static Points points_of(Call *call) {
  Points points;
  points.bytes_max = place(call);
  const size_t row = points.row = place(call), rows = points.rows = place(call);
  const size_t n = points.to = place(call), dims = points.dims = place(call);
  points.in = bytes(call);
  points.starts = column(call, napi_int32_array, rows);
  points.ends = column(call, napi_int32_array, rows);
  points.record_timestamps = column(call, napi_float64_array, rows);
  points.record_offsets = column(call, napi_float64_array, rows);
  const size_t last = row < rows ? n + rows - row : n;
  points.values = column(call, napi_float32_array, last * dims);
  points.weights = column(call, napi_float32_array, last);
  points.timestamps = column(call, napi_float64_array, last);
  points.offsets = column(call, napi_float64_array, last);
  points.source_rows = column(call, napi_int32_array, last);
  return points;
}

/* Reads the vector in bytes [at, end). @returns whether it did */
typedef int ReadVector(const uint8_t *at, const uint8_t *end, float *out, size_t dims);

static inline napi_value read_points(napi_env env, napi_callback_info info, ReadVector *read_vector) {
  Call call = begin(env, info);
  const Points points = points_of(&call);
  if (call.refused) return NULL;
  size_t row = points.row;
  for (size_t to = points.to; row < points.rows; row++, to++) {
    const int32_t start = points.starts[row], end = points.ends[row];
    if (!within(start, end, points.in.length) || (size_t)(end - start) > points.bytes_max) break;
    if (!read_vector(points.in.at + start, points.in.at + end, points.values + to * points.dims, points.dims)) break;
    points.weights[to] = 1;
    points.timestamps[to] = points.record_timestamps[row];
    points.offsets[to] = points.record_offsets[row];
    points.source_rows[to] = (int32_t)row;
  }
  return answer(&call, row);
}

static inline int read_float32_vector(const uint8_t *at, const uint8_t *end, float *out, size_t dims) {
  if ((size_t)(end - at) != 4 * dims) return 0;
  memcpy(out, at, 4 * dims);
  const uint32_t exponent = 0x7f800000u;
  uint32_t odd = 0;
  for (size_t i = 0; i < dims; i++) {
    uint32_t bits;
    memcpy(&bits, out + i, 4);
    odd |= (bits & exponent) == exponent;
  }
  return !odd;
}

static napi_value read_float32_points(napi_env env, napi_callback_info info) { return read_points(env, info, read_float32_vector); }

/* ---- points in JSON: the short way of schemas/json-cursor.ts, to the same bits --------------------------------------------- */

#define TENS(tens) \
  1e##tens##0, 1e##tens##1, 1e##tens##2, 1e##tens##3, 1e##tens##4, 1e##tens##5, 1e##tens##6, 1e##tens##7, 1e##tens##8, 1e##tens##9
#define HUNDREDS(hundreds) \
  TENS(hundreds##0), TENS(hundreds##1), TENS(hundreds##2), TENS(hundreds##3), TENS(hundreds##4), TENS(hundreds##5), \
      TENS(hundreds##6), TENS(hundreds##7), TENS(hundreds##8)
static const double powers[] = {HUNDREDS(0), TENS(09), HUNDREDS(1), TENS(19), HUNDREDS(2), 1e290};
static const float signs[] = {1, -1};

#define POWER_MAX 290
#define DIGITS_MAX 18
/* More than three roundings here, or the seven of TypeScript, and the digits that it drops can be off by, relatively. */
#define ROUNDING_ERROR 4e-15

static inline int is_digit(const uint8_t *at, const uint8_t *end) { return at < end && (uint8_t)(*at - '0') < 10; }

/* Eight digits, the first in the lowest byte: sums of two, of four, of all. */
static inline uint64_t value_of(uint64_t digits) {
  const uint64_t twos = (digits * 2561 >> 8) & 0x00ff00ff00ff00ffu;
  const uint64_t fours = (twos * 6553601 >> 16) & 0x0000ffff0000ffffu;
  return fours * 42949672960001u >> 32;
}

/* Appends the digits at `at` to `value`, eight at a time. @returns what comes behind them */
static inline const uint8_t *read_digits(const uint8_t *at, const uint8_t *end, uint64_t *value) {
  while (end - at >= 8) {
    uint64_t digits;
    memcpy(&digits, at, 8);
    digits ^= EACH_BYTE * '0';
    /* The lowest bit is of the first byte that is none. */
    const uint64_t others = (digits | (digits + EACH_BYTE * (128 - 10))) & EACH_BYTE * 128;
    const int count = others ? __builtin_ctzll(others) / 8 : 8;
    if (count == 0) return at;
    *value = *value * whole_powers[count] + value_of(digits << (64 - 8 * count));
    at += count;
    if (count < 8) return at;
  }
  for (; is_digit(at, end); at++) *value = *value * 10 + (*at - '0');
  return at;
}

/* @returns what comes behind the exponent at `at`, NULL if that is none */
static const uint8_t *read_exponent(const uint8_t *at, const uint8_t *end, int64_t *exponent) {
  const int negative = at < end && *at == '-';
  if (negative || (at < end && *at == '+')) at += 1;
  if (!is_digit(at, end)) return NULL;
  int64_t read = 0;
  for (; is_digit(at, end); at++) {
    if (read < 1000000000) read = read * 10 + (*at - '0');
  }
  *exponent += negative ? -read : read;
  return at;
}

static int64_t leading_zeros(const uint8_t *at, const uint8_t *end) {
  int64_t zeros = 0;
  for (; at < end && (*at == '0' || *at == '.'); at++) zeros += *at == '0';
  return zeros;
}

/* As JsonCursor.float32(): a number has these bits if everything nearer to it than rounding can be off has them, whatever the
 * order of the operations; one that is next to halfway between two float32 values goes the long way there.
 * @returns what comes behind the number at `at`; NULL where that is none, too large, too long, or goes that way */
static inline const uint8_t *read_number(const uint8_t *at, const uint8_t *end, float *number) {
  const int negative = at < end && *at == '-';
  const uint8_t *const first = at + negative;
  uint64_t digits = 0;
  if (end - first > 1 && first[1] == '.' && is_digit(first, end)) {
    /* A guess that the processor makes ahead: it reads on without waiting for where the whole digits end. */
    digits = *first - '0';
    at = first + 1;
  } else {
    at = read_digits(first, end, &digits);
  }
  int64_t count = at - first, exponent = 0;
  if (count == 0 || (count > 1 && *first == '0')) return NULL;
  if (at < end && *at == '.') {
    const uint8_t *const fraction = at + 1;
    at = read_digits(fraction, end, &digits);
    exponent = fraction - at;
    if (exponent == 0) return NULL;
    count -= exponent;
  }
  if (count > DIGITS_MAX && count - leading_zeros(first, at) > DIGITS_MAX) return NULL;
  if (at < end && (*at | 0x20) == 'e') {
    at = read_exponent(at + 1, end, &exponent);
    if (!at) return NULL;
  }
  if (exponent > POWER_MAX || exponent < -POWER_MAX) return NULL;
  const double value = exponent < 0 ? (double)digits / powers[-exponent] : (double)digits * powers[exponent];
  const float low = (float)(value * (1 - ROUNDING_ERROR));
  if (low != (float)(value * (1 + ROUNDING_ERROR)) || isinf(low)) return NULL;
  /* Without a branch, which signs at random would make costly. */
  *number = low * signs[negative];
  return at;
}

static inline const uint8_t *skip_space(const uint8_t *at, const uint8_t *end) {
  while (at < end && *at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at += 1;
  return at;
}

/* @returns what comes behind the token, which may have white space before it; NULL if another comes, or `at` is NULL */
static inline const uint8_t *take(const uint8_t *at, const uint8_t *end, const char *token, size_t length) {
  if (!at) return NULL;
  at = skip_space(at, end);
  return (size_t)(end - at) >= length && memcmp(at, token, length) == 0 ? at + length : NULL;
}
#define TAKE(at, end, token) take(at, end, token, sizeof(token) - 1)

/* {"vector":[n,…]} or [n,…], with nothing else and as many numbers as there should be. */
static inline int read_json_vector(const uint8_t *at, const uint8_t *end, float *out, size_t dims) {
  const uint8_t *const inside = TAKE(at, end, "{");
  if (inside) at = TAKE(TAKE(inside, end, "\"vector\""), end, ":");
  at = TAKE(at, end, "[");
  for (size_t i = 0; i < dims && at; i++) {
    if (i > 0) at = TAKE(at, end, ",");
    if (at) at = read_number(skip_space(at, end), end, out + i);
  }
  at = TAKE(at, end, "]");
  if (inside) at = TAKE(at, end, "}");
  return at && skip_space(at, end) == end;
}

static napi_value read_json_points(napi_env env, napi_callback_info info) { return read_points(env, info, read_json_vector); }

/* ---- texts -------------------------------------------------------------------------------------------------------------- */

/* As memcpy, whose call costs more than a short text does: from both ends to the middle, with whole words. */
static inline uint8_t *write_text(uint8_t *out, const void *from, size_t length) {
  const uint8_t *text = from;
#define BOTH_ENDS(size) (memcpy(out, text, size), memcpy(out + length - (size), text + length - (size), size))
  if (length > 64) memcpy(out, text, length);
  else if (length > 32) BOTH_ENDS(32);
  else if (length >= 16) BOTH_ENDS(16);
  else if (length >= 8) BOTH_ENDS(8);
  else if (length >= 4) BOTH_ENDS(4);
  else
    for (size_t i = 0; i < length; i++) out[i] = text[i]; /* an empty column has no address */
#undef BOTH_ENDS
  return out + length;
}
#define LITERAL(out, text) write_text(out, text, sizeof(text) - 1)

/* ---- assignments -------------------------------------------------------------------------------------------------------- */

/* Numbers, names and signs of an assignment at their longest. */
#define FIXED_BYTES_MAX 320
/* From 0 to 2^53: what an offset or a time may be. */
static int is_whole(double value) { return value >= 0 && value <= 9007199254740992.0 && (double)(int64_t)value == value; }

/* A byte of a key that stands in JSON as it is. */
static int is_plain_text(const uint8_t *text, size_t length) {
  uint8_t odd = 0;
  for (size_t i = 0; i < length; i++) {
    const uint8_t byte = text[i];
    odd |= (uint8_t)((byte < 0x20) | (byte > 0x7e) | (byte == '"') | (byte == '\\'));
  }
  return !odd;
}

/* writeAssignments(row, n, k, partition, sourceRows, offsets, timestamps, bytes, keyStarts, keyEnds, recordTimestamps,
 *                  labels, distances, margins, scores, clusterTexts, clusterStarts, sourceText,
 *                  out, size, outRow, outKeyStarts, outKeyEnds, outValueStarts, outValueEnds, outTimestamps)
 * → the first row not written; the arena then ends where the last value does */
static napi_value write_assignments(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  size_t row = place(&call);
  const size_t n = place(&call), k = place(&call), partition = place(&call);
  const int32_t *source_rows = column(&call, napi_int32_array, n);
  WholeColumn offsets = whole_column(column(&call, napi_float64_array, n), n);
  WholeColumn timestamps = whole_column(column(&call, napi_float64_array, n), n);
  const Bytes in = bytes(&call);
  size_t records = 0;
  napi_get_typedarray_info(env, call.arguments[call.next], NULL, &records, NULL, NULL, NULL);
  const int32_t *key_starts = column(&call, napi_int32_array, 0);
  const int32_t *key_ends = column(&call, napi_int32_array, records);
  const double *record_timestamps = column(&call, napi_float64_array, records);
  const int32_t *labels = column(&call, napi_int32_array, n);
  NumberColumn distances = number_column(column(&call, napi_float32_array, n), n);
  NumberColumn margins = number_column(column(&call, napi_float32_array, n), n);
  NumberColumn scores = number_column(column(&call, napi_float32_array, n), n);
  const Bytes clusters = bytes(&call);
  const int32_t *cluster_starts = column(&call, napi_int32_array, k + 1);
  const Bytes source = bytes(&call);
  const Bytes out = bytes(&call);
  size_t size = place(&call), to = place(&call), capacity = 0;
  napi_get_typedarray_info(env, call.arguments[call.next], NULL, &capacity, NULL, NULL, NULL);
  int32_t *out_key_starts = column(&call, napi_int32_array, 0);
  int32_t *out_key_ends = column(&call, napi_int32_array, capacity);
  int32_t *out_value_starts = column(&call, napi_int32_array, capacity);
  int32_t *out_value_ends = column(&call, napi_int32_array, capacity);
  double *out_timestamps = column(&call, napi_float64_array, capacity);
  if (call.refused) return NULL;
  const int together = can_print_together();
  for (; row < n && to < capacity; row++, to++) {
    const size_t from = (size_t)source_rows[row], label = (size_t)labels[row];
    if (from >= records || label >= k || !within(cluster_starts[label], cluster_starts[label + 1], clusters.length)) break;
    const int has_key = key_ends[from] >= 0;
    if (has_key && !within(key_starts[from], key_ends[from], in.length)) break;
    const uint8_t *key = in.at + (has_key ? key_starts[from] : 0);
    const size_t key_length = has_key ? (size_t)(key_ends[from] - key_starts[from]) : 0;
    const size_t cluster_length = (size_t)(cluster_starts[label + 1] - cluster_starts[label]);
    if (size > out.length || out.length - size < 2 * key_length + cluster_length + source.length + FIXED_BYTES_MAX) break;
    if (!is_plain_text(key, key_length)) break;
    if (!is_plain(distances.numbers[row]) || !is_plain(margins.numbers[row]) || !is_plain(scores.numbers[row])) break;
    if (!is_whole(offsets.numbers[row]) || !is_whole(timestamps.numbers[row])) break;
    uint8_t *at = out.at + size;
    if (has_key) at = write_text(at, key, key_length);
    else at = write_integer(LITERAL(write_integer(at, partition), ":"), (uint64_t)offsets.numbers[row]);
    out_timestamps[to] = record_timestamps[from];
    out_key_starts[to] = (int32_t)size;
    out_key_ends[to] = out_value_starts[to] = (int32_t)(at - out.at);
    at = LITERAL(at, "{\"key\":");
    if (has_key) at = LITERAL(write_text(LITERAL(at, "\""), key, key_length), "\"");
    else at = LITERAL(at, "null");
    at = write_text(at, clusters.at + cluster_starts[label], cluster_length);
    at = write_number(at, &distances, row, together);
    at = write_number(LITERAL(at, ",\"margin\":"), &margins, row, together);
    at = write_number(LITERAL(at, ",\"outlierScore\":"), &scores, row, together);
    at = write_text(at, source.at, source.length);
    at = write_whole(at, &offsets, row, together);
    at = write_whole(LITERAL(at, ",\"timestamp\":"), &timestamps, row, together);
    *at++ = '}';
    size = (size_t)(at - out.at);
    out_value_ends[to] = (int32_t)size;
  }
  return answer(&call, row);
}

/* ---- record batches ----------------------------------------------------------------------------------------------------- */

/* A zigzag varint of at most `longest` bytes. @returns where it ends, NULL when it is cut or too long. */
static const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, int longest, int64_t *value) {
  uint64_t bits = 0;
  for (int i = 0; i < longest && at < end; i++) {
    const uint8_t byte = *at++;
    bits |= (uint64_t)(byte & 127) << (7 * i);
    if (byte < 128) {
      *value = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
      return at;
    }
  }
  return NULL;
}

/* Longer ones may not fit into 32 bits: TypeScript judges those. */
#define VARINT_LONGEST 4
#define VARLONG_LONGEST 7

/* readRecords(bytes, end, rowsMax, fromOffset, baseOffset, baseTimestamp, logAppendTime, state,
 *             keyStarts, keyEnds, valueStarts, valueEnds, timestamps, offsets); state is [at, left, rows], moved on */
static napi_value read_records(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const Bytes in = bytes(&call);
  const size_t end = place(&call), rows_max = place(&call);
  const double from_offset = number(&call), base_offset = number(&call), base_timestamp = number(&call);
  const double log_append_time = number(&call);
  double *state = column(&call, napi_float64_array, 3);
  size_t capacity = 0;
  napi_get_typedarray_info(env, call.arguments[call.next], NULL, &capacity, NULL, NULL, NULL);
  int32_t *key_starts = column(&call, napi_int32_array, 0);
  int32_t *key_ends = column(&call, napi_int32_array, capacity);
  int32_t *value_starts = column(&call, napi_int32_array, capacity);
  int32_t *value_ends = column(&call, napi_int32_array, capacity);
  double *timestamps = column(&call, napi_float64_array, capacity);
  double *offsets = column(&call, napi_float64_array, capacity);
  if (!call.refused && (end > in.length || state[0] > (double)end)) refuse(&call, "the batch ends beyond its bytes");
  if (call.refused) return NULL;
  const uint8_t *at = in.at + (size_t)state[0], *const last = in.at + end;
  double left = state[1];
  size_t row = (size_t)state[2];
  while (left > 0 && row < rows_max && row < capacity) {
    int64_t length, timestamp, offset, key_length, value_length;
    const uint8_t *next = read_varint(at, last, VARINT_LONGEST, &length);
    if (!next || length < 1 || length > last - next) break;
    const uint8_t *const record_end = next + length;
    next = read_varint(next + 1, record_end, VARLONG_LONGEST, &timestamp);
    if (next) next = read_varint(next, record_end, VARINT_LONGEST, &offset);
    if (next) next = read_varint(next, record_end, VARINT_LONGEST, &key_length);
    if (!next || key_length > record_end - next) break;
    const uint8_t *const key = next;
    next = read_varint(key_length < 0 ? key : key + key_length, record_end, VARINT_LONGEST, &value_length);
    if (!next || value_length > record_end - next) break;
    const uint8_t *const value = next;
    next = value_length < 0 ? value : value + value_length;
    /* No headers, and nothing behind them. */
    if (next + 1 != record_end || *next != 0) break;
    if (base_offset + (double)offset >= from_offset) {
      key_starts[row] = (int32_t)(key - in.at);
      key_ends[row] = key_length < 0 ? -1 : (int32_t)(key + key_length - in.at);
      value_starts[row] = (int32_t)(value - in.at);
      value_ends[row] = value_length < 0 ? -1 : (int32_t)(value + value_length - in.at);
      timestamps[row] = log_append_time < 0 ? base_timestamp + (double)timestamp : log_append_time;
      offsets[row] = base_offset + (double)offset;
      row += 1;
    }
    at = record_end;
    left -= 1;
  }
  state[0] = (double)(at - in.at);
  state[1] = left;
  state[2] = (double)row;
  return NULL;
}

static uint64_t zigzag(int64_t value) { return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63); }

static size_t varint_bytes(uint64_t bits) {
  size_t count = 1;
  while (bits > 127) {
    bits >>= 7;
    count += 1;
  }
  return count;
}

static uint8_t *write_varint(uint8_t *at, uint64_t bits) {
  while (bits > 127) {
    *at++ = (uint8_t)(bits | 128);
    bits >>= 7;
  }
  *at++ = (uint8_t)bits;
  return at;
}

/* A timestamp must be a whole number that a double holds exactly. */
static int is_time(double value) {
  return value >= -4503599627370496.0 && value <= 4503599627370496.0 && (double)(int64_t)value == value;
}

/* writeRecords(n, first, bytesMax, bytes, keyStarts, keyEnds, valueStarts, valueEnds, timestamps, out, state);
 * state is [row, at, maxTimestamp], moved on */
static napi_value write_records(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const size_t n = place(&call), first = place(&call), bytes_max = place(&call);
  const Bytes in = bytes(&call);
  const int32_t *key_starts = column(&call, napi_int32_array, n);
  const int32_t *key_ends = column(&call, napi_int32_array, n);
  const int32_t *value_starts = column(&call, napi_int32_array, n);
  const int32_t *value_ends = column(&call, napi_int32_array, n);
  const double *timestamps = column(&call, napi_float64_array, n);
  const Bytes out = bytes(&call);
  double *state = column(&call, napi_float64_array, 3);
  if (call.refused) return NULL;
  size_t row = (size_t)state[0], at = (size_t)state[1];
  double max_timestamp = state[2];
  const size_t limit = bytes_max < out.length ? bytes_max : out.length;
  if (first >= n || !is_time(timestamps[first])) return NULL;
  for (; row < n; row++) {
    const int has_key = key_ends[row] >= 0, has_value = value_ends[row] >= 0;
    if ((has_key && !within(key_starts[row], key_ends[row], in.length)) ||
        (has_value && !within(value_starts[row], value_ends[row], in.length)) || !is_time(timestamps[row])) {
      break;
    }
    const size_t key_length = has_key ? (size_t)(key_ends[row] - key_starts[row]) : 0;
    const size_t value_length = has_value ? (size_t)(value_ends[row] - value_starts[row]) : 0;
    const uint64_t key_bits = zigzag(has_key ? (int64_t)key_length : -1);
    const uint64_t value_bits = zigzag(has_value ? (int64_t)value_length : -1);
    const uint64_t timestamp = zigzag((int64_t)timestamps[row] - (int64_t)timestamps[first]);
    const uint64_t offset = zigzag((int64_t)(row - first));
    const size_t length = 1 + varint_bytes(timestamp) + varint_bytes(offset) + varint_bytes(key_bits) + key_length +
                          varint_bytes(value_bits) + value_length + 1;
    const uint64_t length_bits = zigzag((int64_t)length);
    if (at > limit || varint_bytes(length_bits) + length > limit - at) break;
    uint8_t *to = write_varint(out.at + at, length_bits);
    *to++ = 0;
    to = write_varint(write_varint(to, timestamp), offset);
    to = write_varint(to, key_bits);
    to = write_text(to, in.at + (has_key ? key_starts[row] : 0), key_length);
    to = write_text(write_varint(to, value_bits), in.at + (has_value ? value_starts[row] : 0), value_length);
    *to++ = 0;
    at = (size_t)(to - out.at);
    if (timestamps[row] > max_timestamp) max_timestamp = timestamps[row];
  }
  state[0] = (double)row;
  state[1] = (double)at;
  state[2] = max_timestamp;
  return NULL;
}

/* ---- checksum ----------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define WITH_CRC __attribute__((target("sse4.2,pclmul")))

static inline uint64_t word_at(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return word;
}

/* a · b · x^33 modulo the polynomial of CRC32C, bits reversed as everywhere in it. */
WITH_CRC static inline uint32_t product(uint32_t a, uint32_t b) {
  const __m128i both = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)a), _mm_cvtsi32_si128((int)b), 0);
  return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(both));
}

/* By what `product` takes a checksum over as many words of zeros behind it: x^(64 · words - 33), by squaring. One word's is 1. */
WITH_CRC static uint32_t zeros_of(size_t words) {
  uint32_t zeros = 1;
  for (int bit = 62 - __builtin_clzll(words); bit >= 0; bit--) {
    zeros = product(zeros, zeros);
    if (words >> bit & 1) zeros = product(zeros, 1);
  }
  return zeros;
}

/* Putting thirds together costs as much as so many bytes do. */
#define THIRDS_BYTES_MIN 1024

/* An instruction takes three cycles, but one can begin in each: so three thirds at a time, and what is left behind them. */
WITH_CRC static uint32_t crc32c_of(const uint8_t *at, size_t length) {
  const uint8_t *const end = at + length;
  uint64_t crc = 0xffffffff;
  if (length >= THIRDS_BYTES_MIN) {
    const size_t words = length / 24;
    uint64_t second = 0, third = 0;
    for (const uint8_t *const stop = at + 8 * words; at < stop; at += 8) {
      crc = _mm_crc32_u64(crc, word_at(at));
      second = _mm_crc32_u64(second, word_at(at + 8 * words));
      third = _mm_crc32_u64(third, word_at(at + 16 * words));
    }
    const uint32_t zeros = zeros_of(words);
    crc = product(product((uint32_t)crc, zeros) ^ (uint32_t)second, zeros) ^ third;
    at += 16 * words;
  }
  for (; end - at >= 8; at += 8) crc = _mm_crc32_u64(crc, word_at(at));
  for (; at < end; at++) crc = _mm_crc32_u8((uint32_t)crc, *at);
  return ~(uint32_t)crc;
}

/* crc32c(bytes, start, end) */
static napi_value crc32c(napi_env env, napi_callback_info info) {
  Call call = begin(env, info);
  const Bytes in = bytes(&call);
  const size_t start = place(&call), end = place(&call);
  if (!call.refused && (start > end || end > in.length)) refuse(&call, "the range ends beyond its bytes");
  return call.refused ? NULL : answer(&call, crc32c_of(in.at + start, end - start));
}
#endif

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"readFloat32Points", NULL, read_float32_points, NULL, NULL, NULL, napi_enumerable, NULL},
      {"readJsonPoints", NULL, read_json_points, NULL, NULL, NULL, napi_enumerable, NULL},
      {"writeAssignments", NULL, write_assignments, NULL, NULL, NULL, napi_enumerable, NULL},
      {"readRecords", NULL, read_records, NULL, NULL, NULL, napi_enumerable, NULL},
      {"writeRecords", NULL, write_records, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
#if defined(__x86_64__)
  const napi_property_descriptor checksum = {"crc32c", NULL, crc32c, NULL, NULL, NULL, napi_enumerable, NULL};
  if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) napi_define_properties(env, exports, 1, &checksum);
#endif
  return exports;
}
