/* Numbers as text: schemas/number-text.ts, digit for digit. Where the processor has AVX-512, eight float32 numbers are printed
 * together, one to a lane; elsewhere each by itself. */

#define EACH_BYTE 0x0101010101010101u
static const uint64_t whole_powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* value_of of codec.c, the other way: the eight digits of a number below 10^8. Each step halves the lanes: what the upper half of its
 * digits say goes in front of the rest. */
static inline uint64_t digits_of(uint64_t value) {
  const uint64_t thousands = value * 109951163 >> 40; /* value / 10^4 */
  const uint64_t fours = (value << 32) - thousands * (((uint64_t)10000 << 32) - 1);
  const uint64_t hundreds = (fours * 10486 >> 20) & 0x0000007f0000007fu;
  const uint64_t twos = (fours << 16) - hundreds * ((100 << 16) - 1);
  const uint64_t tens = (twos * 103 >> 10) & 0x000f000f000f000fu;
  return (twos << 8) - tens * ((10 << 8) - 1);
}

/* Always eight bytes, whichever of them count. */
static inline void write_eight(uint8_t *out, uint64_t digits) {
  const uint64_t text = digits | EACH_BYTE * '0';
  memcpy(out, &text, 8);
}

/* The digits of a number below 10^16, eight and eight. At most 16 bytes change. */
static inline uint8_t *write_sixteen(uint8_t *out, uint64_t high, uint64_t low) {
  const uint64_t digits = high > 0 ? high : low;
  const int zeros = __builtin_ctzll(digits | (uint64_t)1 << 56) / 8;
  write_eight(out, digits >> 8 * zeros);
  out += 8 - zeros;
  if (high == 0) return out;
  write_eight(out, low);
  return out + 8;
}

static inline uint8_t *write_integer(uint8_t *out, uint64_t value) {
  const uint64_t high = value / whole_powers[8];
  return write_sixteen(out, digits_of(high), digits_of(value - high * whole_powers[8]));
}

/* By 6 + the digits before the point, or less the zeros behind it. */
#define SCALES 16
/* 5^(7 - digits before the point) */
static const uint32_t fives_of[SCALES] = {0, 244140625, 48828125, 9765625, 1953125, 390625, 78125, 15625, 3125, 625, 125, 25, 5};
/* The bits of the first number with one digit more before its point. */
static const uint32_t next_of[SCALES] = {0x358637bd, 0x3727c5ac, 0x38d1b717, 0x3a83126f, 0x3c23d70a, 0x3dcccccd, 0x3f800000,
                                         0x41200000, 0x42c80000, 0x447a0000, 0x461c4000, 0x47c35000, 0x49742400};

/* Whether it is printed here: 0, and from 10^-6 (which next_of[0] is just below) to below 10^6. Others have exponents, or are none. */
static inline int is_plain(float number) {
  uint32_t bits;
  memcpy(&bits, &number, 4);
  bits &= 0x7fffffff;
  return bits == 0 || (bits > next_of[0] && bits < next_of[12]);
}

/* What is printed of a number. */
typedef struct {
  uint64_t first;  /* the first digit that is not zero */
  uint64_t digits; /* the eight behind it */
  uint64_t behind; /* their text; with the point, if it is behind the first */
  int64_t leading; /* digits before the point, or minus the zeros behind it */
} Printed;

/* Of a plain number other than 0. In whole numbers and almost without branches: how many digits there are is as good as random. With
 * `m` and `shift` the number is m / 2^shift / 10^(7 - leading); all that lies less than `fives` from m, which is half a step of
 * float32, gives it back. So seven digits do where a multiple of 2^shift is among that, and eight where one is once all is times ten.
 * (Below a power of two a step is half as long. No digit is lost by that: the texts of all plain numbers have been compared with
 * TypeScript's.) */
static inline Printed print_float32(float number) {
  uint32_t bits;
  memcpy(&bits, &number, 4);
  const int exponent = (int)(bits >> 23 & 255) - 127;
  /* The logarithm of 2 is 1233 / 2^12. */
  int scale = 7 + (exponent * 1233 >> 12);
  scale += (bits & 0x7fffffff) >= next_of[scale];
  const int leading = scale - 6, shift = 17 - exponent + leading;
  const uint64_t fives = fives_of[scale], twice = (uint64_t)(bits & 0x7fffff) << 1 | 0x1000000, m = twice * fives;
  const uint64_t below = ((uint64_t)1 << shift) - 1, end = m + fives;
  const int not_seven = (end & below) > 2 * fives, not_eight = (end * 5 & below >> 1) > 10 * fives;
  const int more = not_seven + (not_seven & not_eight), last = shift - more;
  static const uint64_t scales[] = {1, 5, 25}, rests[] = {100, 10, 1};
  const uint64_t nine = (((m * scales[more] >> (last - 1)) + 1) >> 1) * rests[more];
  const uint64_t first = nine * 1441151881 >> 57; /* nine / 10^8 */
  const uint64_t digits = digits_of(nine - first * whole_powers[8]), text = digits | EACH_BYTE * '0';
  const int before_point = leading > 0 ? 8 * leading - 8 : 0;
  const uint64_t before = ((uint64_t)1 << before_point) - 1;
  const uint64_t with_point = (text & before) | (uint64_t)'.' << before_point | (text & ~before) << 8;
  return (Printed){first, digits, leading > 0 ? with_point : text, leading};
}

/* Of another number than 0. At most 18 bytes change. */
static inline uint8_t *write_printed(uint8_t *out, float number, Printed printed) {
  *out = '-';
  out += number < 0;
  const int leading = (int)printed.leading, below_one = leading <= 0;
  /* Of all, without the zeros at the end. */
  const int count = 1 + (70 - __builtin_clzll(2 * printed.digits + 1)) / 8;
  memcpy(out, "0.000000", 8);
  uint8_t *const behind = out + 1 + (below_one ? 2 - leading : 0);
  behind[-1] = (uint8_t)('0' + printed.first);
  write_eight(behind + 1, printed.digits);
  memcpy(behind, &printed.behind, 8);
  return out + (count > leading ? count + (below_one ? 2 - leading : 1) : leading);
}

#define TOGETHER 8
#if defined(__x86_64__) && !defined(ONE_BY_ONE)
#define CAN_PRINT_TOGETHER 1
#endif

/* Columns of numbers that are written row by row; those from row `ready` on are printed. */
typedef struct {
  const float *numbers;
  size_t n, ready;
  uint64_t first[TOGETHER], digits[TOGETHER], behind[TOGETHER];
  int64_t leading[TOGETHER];
} NumberColumn;

typedef struct {
  const double *numbers;
  size_t n, ready;
  uint64_t high[TOGETHER], low[TOGETHER];
} WholeColumn;

#if CAN_PRINT_TOGETHER
#define WITH_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd")))
#define INLINE_AVX512 WITH_AVX512 __attribute__((always_inline)) static inline

typedef uint64_t Lanes __attribute__((vector_size(64)));
typedef uint32_t HalfLanes __attribute__((vector_size(64)));
typedef uint16_t QuarterLanes __attribute__((vector_size(64)));
typedef uint32_t Bits __attribute__((vector_size(32)));
typedef int32_t Scales __attribute__((vector_size(32)));

static int can_print_together(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
}

INLINE_AVX512 Bits look_up(const uint32_t table[SCALES], Scales scale) {
  const __m512i places = _mm512_castsi256_si512((__m256i)scale);
  return (Bits)_mm512_castsi512_si256(_mm512_permutexvar_epi32(places, _mm512_loadu_si512(table)));
}
INLINE_AVX512 Lanes each(uint64_t value) { return (Lanes)_mm512_set1_epi64((long long)value); }
INLINE_AVX512 Lanes signed_lanes(Scales values) { return (Lanes)_mm512_cvtepi32_epi64((__m256i)values); }
INLINE_AVX512 Lanes lanes(Bits values) { return (Lanes)_mm512_cvtepu32_epi64((__m256i)values); }
INLINE_AVX512 Lanes left(Lanes values, Lanes by) { return (Lanes)_mm512_sllv_epi64((__m512i)values, (__m512i)by); }
INLINE_AVX512 Lanes right(Lanes values, Lanes by) { return (Lanes)_mm512_srlv_epi64((__m512i)values, (__m512i)by); }
/* Of numbers below 2^32. */
INLINE_AVX512 Lanes times(Lanes a, Lanes b) { return (Lanes)_mm512_mul_epu32((__m512i)a, (__m512i)b); }

INLINE_AVX512 Lanes digits_of_lanes(Lanes values) {
  const Lanes thousands = times(values, each(109951163)) >> 40;
  const HalfLanes fours = (HalfLanes)(((values - times(thousands, each(10000))) << 32) + thousands);
  const HalfLanes hundreds = fours * 10486 >> 20;
  const QuarterLanes twos = (QuarterLanes)(((fours - hundreds * 100) << 16) + hundreds), tens = twos * 103 >> 10;
  return (Lanes)(((twos - tens * 10) << 8) + tens);
}

/* One bit for each row from `row` on that there is. */
static inline __mmask8 rows_left(size_t n, size_t row) { return n - row < TOGETHER ? (__mmask8)((1 << (n - row)) - 1) : 0xff; }

/* print_float32 of all rows from `row` on that there are, the same step by step; conditions are all ones or none. Lanes of other
 * numbers than plain ones hold anything. */
WITH_AVX512 static void print_together(NumberColumn *column, size_t row) {
  const Bits bits = (Bits)_mm256_maskz_loadu_epi32(rows_left(column->n, row), column->numbers + row);
  const Scales exponent = (Scales)(bits >> 23 & 255) - 127;
  Scales scale = 7 + (exponent * 1233 >> 12);
  scale -= (Scales)((bits & 0x7fffffff) >= look_up(next_of, scale));
  const Lanes leading = signed_lanes(scale - 6), shift = signed_lanes(11 - exponent + scale);
  const Lanes fives = lanes(look_up(fives_of, scale)), m = times(lanes((bits & 0x7fffff) << 1 | 0x1000000), fives);
  const Lanes below = left(each(1), shift) - 1, end = m + fives;
  const Lanes not_seven = (Lanes)((end & below) > (fives << 1));
  const Lanes not_eight = not_seven & (Lanes)(((end + (end << 2)) & (below >> 1)) > (fives << 3) + (fives << 1));
  const Lanes five = m + (m << 2 & not_seven), scaled = five + (five << 2 & not_eight);
  const Lanes rounded = (right(scaled, shift + not_seven + not_eight - 1) + 1) >> 1;
  const Lanes nine = times(rounded, 100 - (90 & not_seven) - (9 & not_eight));
  const Lanes first = times(nine, each(1441151881)) >> 57, rest = nine - times(first, each(100000000));
  const Lanes digits = digits_of_lanes(rest), text = digits | each(EACH_BYTE * '0');
  const Lanes from_one = (Lanes)_mm512_movm_epi64(_mm512_cmpgt_epi64_mask((__m512i)leading, (__m512i)each(0)));
  const Lanes before_point = ((leading << 3) - 8) & from_one, before = (left(each(1), before_point) - 1) | ~from_one;
  const Lanes behind = (text & before) | (left(each('.'), before_point) & from_one) | (text & ~before) << 8;
  memcpy(column->first, &first, sizeof first);
  memcpy(column->digits, &digits, sizeof digits);
  memcpy(column->behind, &behind, sizeof behind);
  memcpy(column->leading, &leading, sizeof leading);
  column->ready = row;
}

/* The same of whole numbers. Their quotient can have been rounded up to one too many. */
WITH_AVX512 static void print_whole_together(WholeColumn *column, size_t row) {
  const __m512d numbers = _mm512_maskz_loadu_pd(rows_left(column->n, row), column->numbers + row);
  const Lanes values = (Lanes)_mm512_cvttpd_epi64(numbers);
  const Lanes quotient = (Lanes)_mm512_cvttpd_epi64(_mm512_div_pd(numbers, _mm512_set1_pd(1e8)));
  const Lanes high = quotient + (Lanes)(times(quotient, each(100000000)) > values);
  const Lanes high_digits = digits_of_lanes(high), low_digits = digits_of_lanes(values - times(high, each(100000000)));
  memcpy(column->high, &high_digits, sizeof high_digits);
  memcpy(column->low, &low_digits, sizeof low_digits);
  column->ready = row;
}
#else
static int can_print_together(void) { return 0; }
#endif

static inline NumberColumn number_column(const float *numbers, size_t n) {
  return (NumberColumn){.numbers = numbers, .n = n, .ready = n};
}

static inline WholeColumn whole_column(const double *numbers, size_t n) {
  return (WholeColumn){.numbers = numbers, .n = n, .ready = n};
}

/* Writes a number that is plain. Rows come in order. */
static inline uint8_t *write_number(uint8_t *out, NumberColumn *column, size_t row, int together) {
  const float number = column->numbers[row];
  if (number == 0) {
    *out = '0';
    return out + 1;
  }
#if CAN_PRINT_TOGETHER
  if (together) {
    if (row - column->ready >= TOGETHER) print_together(column, row);
    const size_t lane = row - column->ready;
    const Printed printed = {column->first[lane], column->digits[lane], column->behind[lane], column->leading[lane]};
    return write_printed(out, number, printed);
  }
#endif
  return write_printed(out, number, print_float32(number));
}

/* The same of a whole number below 10^16. */
static inline uint8_t *write_whole(uint8_t *out, WholeColumn *column, size_t row, int together) {
#if CAN_PRINT_TOGETHER
  if (together) {
    if (row - column->ready >= TOGETHER) print_whole_together(column, row);
    const size_t lane = row - column->ready;
    return write_sixteen(out, column->high[lane], column->low[lane]);
  }
#endif
  return write_integer(out, (uint64_t)column->numbers[row]);
}
