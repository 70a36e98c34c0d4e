#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <utility>

#include "kernels/cpu/index/index_kernels.h"
#include "kernels/math/cast.h"
#include "kernels/math/complex.h"
#include "kernels/math/vector_bytes.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

using math::bfloat16;
using math::complex;
using math::float16;

// ---- elements

struct Bool {
  uint8_t byte;  // any nonzero byte is true
};
inline uint8_t truth(Bool b) { return b.byte != 0; }  // what has one bit, as factors have
struct Bytes16 {
  uint64_t low, high;
};

template <class T>
constexpr bool kHalf = __is_same(T, float16) || __is_same(T, bfloat16);

// The type that a factor comes in: float for halves, the element's own for all others.
template <class T>
struct Arithmetic {
  using type = T;
};
template <>
struct Arithmetic<float16> {
  using type = float;
};
template <>
struct Arithmetic<bfloat16> {
  using type = float;
};

struct Add {
  template <class T>
  static inline T apply(T to, T from, typename Arithmetic<T>::type factor) {
    if constexpr (kHalf<T>)
      return math::cast<T>(math::cast<float>(to) + factor * math::cast<float>(from));
    else
      return static_cast<T>(to + factor * from);
  }
  static inline Bool apply(Bool to, Bool from, Bool factor) {
    return {static_cast<uint8_t>(to.byte | (truth(from) & factor.byte))};
  }
};

struct Multiply {
  template <class T>
  static inline T apply(T to, T from, typename Arithmetic<T>::type) {
    if constexpr (kHalf<T>)
      return math::cast<T>(math::cast<float>(to) * math::cast<float>(from));
    else
      return static_cast<T>(to * from);
  }
  static inline Bool apply(Bool to, Bool from, Bool) {
    return {static_cast<uint8_t>(to.byte & -truth(from))};
  }
};

// ---- indexed walks

template <class T>
inline T& at(char* p) {
  return *reinterpret_cast<T*>(p);
}

// Rows of a few elements, too short for a call of memcpy.
template <int bytes, bool store>
void move_short_rows(const IndexBlock& b) {
  for (int64_t r = 0; r < b.sizes[0]; ++r) {
    char* plain = b.plain + r * b.plain_stride[0];
    char* indexed = b.indexed + r * b.indexed_stride[0] + b.offsets[r * b.offset_stride[0]];
    __builtin_memcpy(store ? indexed : plain, store ? plain : indexed, bytes);
  }
}

template <bool store>
void move_rows(const IndexBlock& b, int64_t bytes) {
  switch (bytes) {
    case 4:
      return move_short_rows<4, store>(b);
    case 8:
      return move_short_rows<8, store>(b);
    case 12:
      return move_short_rows<12, store>(b);
    case 16:
      return move_short_rows<16, store>(b);
    case 32:
      return move_short_rows<32, store>(b);
    case 64:
      return move_short_rows<64, store>(b);
    case 128:
      return move_short_rows<128, store>(b);
    case 256:
      return move_short_rows<256, store>(b);
    default:
      break;
  }
  for (int64_t r = 0; r < b.sizes[0]; ++r) {
    char* plain = b.plain + r * b.plain_stride[0];
    char* indexed = b.indexed + r * b.indexed_stride[0] + b.offsets[r * b.offset_stride[0]];
    __builtin_memcpy(store ? indexed : plain, store ? plain : indexed, static_cast<size_t>(bytes));
  }
}

// How far ahead of its use what is walked in order is fetched: the processor does not foresee
// beyond a page.
constexpr int64_t kAheadBytes = 4096;

// Calls f(plain element, indexed element) for each element of a block of one row whose index is
// narrow; rows of single elements are what indices along the last dimension come to.
template <class T, class F>
inline void for_narrow(const IndexBlock& b, F&& f) {
  constexpr int64_t item = sizeof(T);
  const uint16_t* const index = b.narrow;
  const int64_t n = b.sizes[1], ps = b.plain_stride[1], is = b.indexed_stride[1];
  if (ps == item && is == 0 && b.stride == item) {
    T* const plain = &at<T>(b.plain);
    T* const indexed = &at<T>(b.indexed);
    constexpr int64_t kLine = 64 / item;
    int64_t i = 0;
    for (; i + kLine <= n; i += kLine) {
      __builtin_prefetch(b.plain + i * item + kAheadBytes);
      for (int64_t k = i; k < i + kLine; ++k) f(plain[k], indexed[index[k]]);
    }
    for (; i < n; ++i) f(plain[i], indexed[index[i]]);
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    f(at<T>(b.plain + i * ps), at<T>(b.indexed + i * is + index[i] * b.stride));
}

// plain[i] = indexed[-step i]: a flipped row.
template <int step, class T>
void reverse_row(T* __restrict dst, const T* __restrict src, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dst[i] = src[-step * i];
}

template <class T, bool store>
void move_row(char* plain, int64_t ps, char* indexed, int64_t is, const int64_t* offsets,
              int64_t os, int64_t n) {
  constexpr int64_t item = sizeof(T);
  if (os == 0) {
    indexed += *offsets;
    if (!store && ps == item && is == -item)
      return reverse_row<1>(&at<T>(plain), &at<T>(indexed), n);
    if (!store && ps == item && is == -2 * item)
      return reverse_row<2>(&at<T>(plain), &at<T>(indexed), n);
    for (int64_t i = 0; i < n; ++i) {
      if (store)
        at<T>(indexed + i * is) = at<T>(plain + i * ps);
      else
        at<T>(plain + i * ps) = at<T>(indexed + i * is);
    }
    return;
  }
  if (os == 1 && is == 0 && ps == item) {  // what picking single elements comes to
    T* p = &at<T>(plain);
    for (int64_t i = 0; i < n; ++i) {
      if (store)
        at<T>(indexed + offsets[i]) = p[i];
      else
        p[i] = at<T>(indexed + offsets[i]);
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    T& x = at<T>(plain + i * ps);
    T& y = at<T>(indexed + i * is + offsets[i * os]);
    if (store)
      y = x;
    else
      x = y;
  }
}

template <class T, bool store>
void move(const IndexBlock& b, const void*) {
  constexpr int64_t item = sizeof(T);
  if (store && b.narrow) return for_narrow<T>(b, [](const T& x, T& y) { y = x; });
  if (b.offset_stride[1] == 0 && b.plain_stride[1] == item && b.indexed_stride[1] == item)
    return move_rows<store>(b, b.sizes[1] * item);
  for (int64_t r = 0; r < b.sizes[0]; ++r)
    move_row<T, store>(b.plain + r * b.plain_stride[0], b.plain_stride[1],
                       b.indexed + r * b.indexed_stride[0], b.indexed_stride[1],
                       b.offsets + r * b.offset_stride[0], b.offset_stride[1], b.sizes[1]);
}

template <class Op, class T, class Factor>
void update_dense_row(T* __restrict to, const T* __restrict from, Factor factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = Op::apply(to[i], from[i], factor);
}

template <class Op, class T, class Factor>
void update_row(char* plain, int64_t ps, char* indexed, int64_t is, const int64_t* offsets,
                int64_t os, Factor factor, int64_t n) {
  if (os == 1 && is == 0 && ps == static_cast<int64_t>(sizeof(T))) {
    const T* p = &at<T>(plain);
    for (int64_t i = 0; i < n; ++i) {
      T& to = at<T>(indexed + offsets[i]);
      to = Op::apply(to, p[i], factor);
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    T& to = at<T>(indexed + i * is + offsets[i * os]);
    to = Op::apply(to, at<T>(plain + i * ps), factor);
  }
}

template <class Op, class T>
void update(const IndexBlock& b, const void* factor_of) {
  using Factor = typename Arithmetic<T>::type;
  constexpr int64_t item = sizeof(T);
  const Factor factor = *static_cast<const Factor*>(factor_of);
  if (b.narrow)
    return for_narrow<T>(b, [factor](const T& x, T& y) { y = Op::apply(y, x, factor); });
  const bool dense =
      b.offset_stride[1] == 0 && b.plain_stride[1] == item && b.indexed_stride[1] == item;
  for (int64_t r = 0; r < b.sizes[0]; ++r) {
    char* plain = b.plain + r * b.plain_stride[0];
    char* indexed = b.indexed + r * b.indexed_stride[0];
    const int64_t* offsets = b.offsets + r * b.offset_stride[0];
    if (dense)
      update_dense_row<Op>(&at<T>(indexed + *offsets), &at<T>(plain), factor, b.sizes[1]);
    else
      update_row<Op, T>(plain, b.plain_stride[1], indexed, b.indexed_stride[1], offsets,
                        b.offset_stride[1], factor, b.sizes[1]);
  }
}

template <bool wrap, bool add>
bool offsets_loop(const int64_t* index, int64_t* out, int64_t n, int64_t size, int64_t stride) {
  uint64_t bad = 0;
  for (int64_t i = 0; i < n; ++i) {
    int64_t v = index[i];
    if (wrap) v += (v >> 63) & size;
    bad |= static_cast<uint64_t>(v) >= static_cast<uint64_t>(size);
    out[i] = (add ? out[i] : 0) + v * stride;
  }
  return bad == 0;
}

bool offsets(const int64_t* index, int64_t* out, int64_t n, int64_t size, int64_t stride, bool wrap,
             bool add) {
  if (wrap)
    return add ? offsets_loop<true, true>(index, out, n, size, stride)
               : offsets_loop<true, false>(index, out, n, size, stride);
  return add ? offsets_loop<false, true>(index, out, n, size, stride)
             : offsets_loop<false, false>(index, out, n, size, stride);
}

#if defined(__AVX512F__)
constexpr int kPicked = 8;  // elements at a time

// Those below 0 from the end on; `bad` tells of which none of [0, size) came.
inline __m512i indices_of(const int64_t* index, __m512i size, bool wrap, __mmask8& bad) {
  __builtin_prefetch(index + kAheadBytes / 8);
  __m512i v = _mm512_loadu_si512(index);
  if (wrap) v = _mm512_mask_add_epi64(v, _mm512_movepi64_mask(v), v, size);
  bad = _mm512_cmp_epu64_mask(v, size, _MM_CMPINT_NLT);
  return v;
}
inline void gather(uint32_t* out, const char* from, __m512i offsets) {
  const __m256i none = _mm256_setzero_si256();
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                      _mm512_mask_i64gather_epi32(none, 0xff, offsets, from, 1));
}
inline void gather(uint64_t* out, const char* from, __m512i offsets) {
  const __m512i none = _mm512_setzero_si512();
  _mm512_storeu_si512(out, _mm512_mask_i64gather_epi64(none, 0xff, offsets, from, 1));
}
template <class T>
inline void gather(T* out, const char* from, __m512i offsets) {
  int64_t o[kPicked];
  _mm512_storeu_si512(o, offsets);
  for (int k = 0; k < kPicked; ++k) out[k] = *reinterpret_cast<const T*>(from + o[k]);
}
#endif

template <class T, bool wrap>
bool pick_loop(T* out, const char* from, const int64_t* index, int64_t n, int64_t size,
               int64_t stride) {
  int64_t i = 0;
#if defined(__AVX512F__)
  const __m512i sizes = _mm512_set1_epi64(size), strides = _mm512_set1_epi64(stride);
  for (; i + kPicked <= n; i += kPicked) {
    __mmask8 bad;
    const __m512i v = indices_of(index + i, sizes, wrap, bad);
    if (bad) return false;
    gather(out + i, from, _mm512_mullo_epi64(v, strides));
  }
#endif
  for (; i < n; ++i) {
    int64_t v = index[i];
    if (wrap) v += (v >> 63) & size;
    if (static_cast<uint64_t>(v) >= static_cast<uint64_t>(size)) return false;
    out[i] = *reinterpret_cast<const T*>(from + v * stride);
  }
  return true;
}

template <class T>
bool pick(char* plain, const char* indexed, const int64_t* index, int64_t n, int64_t size,
          int64_t stride, bool wrap) {
  T* const out = reinterpret_cast<T*>(plain);
  return wrap ? pick_loop<T, true>(out, indexed, index, n, size, stride)
              : pick_loop<T, false>(out, indexed, index, n, size, stride);
}

template <bool wrap>
bool narrow_loop(const int64_t* index, uint16_t* out, int64_t n, int64_t size) {
  int64_t i = 0;
#if defined(__AVX512F__)
  const __m512i sizes = _mm512_set1_epi64(size);
  for (; i + kPicked <= n; i += kPicked) {
    __mmask8 bad;
    const __m512i v = indices_of(index + i, sizes, wrap, bad);
    if (bad) return false;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm512_maskz_cvtepi64_epi16(0xff, v));
  }
#endif
  uint64_t bad = 0;
  for (; i < n; ++i) {
    int64_t v = index[i];
    if (wrap) v += (v >> 63) & size;
    bad |= static_cast<uint64_t>(v) >= static_cast<uint64_t>(size);
    out[i] = static_cast<uint16_t>(v);
  }
  return bad == 0;
}

bool narrow(const int64_t* index, uint16_t* out, int64_t n, int64_t size, bool wrap) {
  return wrap ? narrow_loop<true>(index, out, n, size) : narrow_loop<false>(index, out, n, size);
}

// ---- pieces

constexpr int64_t kWide = kVectorBytes;

template <int64_t size>
inline void copy_one(char* to, const char* from) {
  typedef char Bytes __attribute__((vector_size(size), aligned(1), may_alias));
  *reinterpret_cast<Bytes*>(to) = *reinterpret_cast<const Bytes*>(from);
}
template <int64_t size>
inline void copy_ends(char* to, const char* from, int64_t bytes) {
  copy_one<size>(to, from);
  copy_one<size>(to + bytes - size, from + bytes - size);
}

// memcpy without the call, and without its way for some kilobytes, which is slow where source and
// target are aligned differently.
inline void copy_piece(char* to, const char* from, int64_t bytes) {
  if (bytes >= kWide) {
    copy_one<kWide>(to, from);
    // From here on stores are aligned: those that meet two lines cost as much as two.
    const int64_t first = kWide - static_cast<int64_t>(reinterpret_cast<uint64_t>(to) % kWide);
    for (int64_t b = first; b + kWide <= bytes; b += kWide) copy_one<kWide>(to + b, from + b);
    copy_one<kWide>(to + bytes - kWide, from + bytes - kWide);
  } else if (bytes >= 16) {
    if (kWide > 32 && bytes >= 32)
      copy_ends<32>(to, from, bytes);
    else
      copy_ends<16>(to, from, bytes);
  } else if (bytes >= 8) {
    copy_ends<8>(to, from, bytes);
  } else if (bytes >= 4) {
    copy_ends<4>(to, from, bytes);
  } else {
    for (int64_t i = 0; i < bytes; ++i) to[i] = from[i];
  }
}

// ---- masks

template <class T>
void select(void* dst, const void* src, const uint8_t* mask, const void* value, int64_t n) {
  const T v = *static_cast<const T*>(value);
  T* d = static_cast<T*>(dst);
  const T* s = static_cast<const T*>(src);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) d[i] = mask[i] ? v : s[i];
}

int64_t count(const uint8_t* mask, int64_t n) {
  int64_t total = 0;
  for (int64_t i = 0; i < n;) {  // sums of a stretch fit 32 bits
    const int64_t end = n - i < (int64_t{1} << 30) ? n : i + (int64_t{1} << 30);
    uint32_t sum = 0;
    for (; i < end; ++i) sum += mask[i] != 0;
    total += sum;
  }
  return total;
}

// Calls put(i) for each true position; words of 8 that are all false cost one look.
template <class F>
inline void for_true(const uint8_t* mask, int64_t n, F&& put) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t word;
    __builtin_memcpy(&word, mask + i, 8);
    if (word == 0) continue;
    for (int k = 0; k < 8; ++k) put(i + k, mask[i + k] != 0);
  }
  for (; i < n; ++i) put(i, mask[i] != 0);
}

// Packing without branches writes all elements, and steps on by those that are wanted; a buffer
// keeps what is written too many away from what lies behind dst.
constexpr int64_t kPackBlock = 512;

// Vectors of elements of 4 or 8 bytes are packed by one instruction. Gives how far it came.
#if defined(__AVX512F__)
inline __mmask16 wanted_of(const uint8_t* mask, uint32_t) {
  const __m128i m = _mm_loadu_si128(reinterpret_cast<const __m128i*>(mask));
  return _mm_test_epi8_mask(m, m);
}
inline __mmask8 wanted_of(const uint8_t* mask, uint64_t) {
  const __m128i m = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(mask));
  return static_cast<__mmask8>(_mm_test_epi8_mask(m, m));
}
inline __m512i packed(__mmask16 wanted, __m512i v, uint32_t) {
  return _mm512_maskz_compress_epi32(wanted, v);
}
inline __m512i packed(__mmask8 wanted, __m512i v, uint64_t) {
  return _mm512_maskz_compress_epi64(wanted, v);
}

template <class T>
int64_t pack_vectors(T* out, const T* from, const uint8_t* mask, int64_t n, int64_t& kept) {
  int64_t i = 0;
  if constexpr (sizeof(T) == 4 || sizeof(T) == 8) {
    constexpr int64_t kLanes = 64 / sizeof(T);
    for (; i + kLanes <= n; i += kLanes) {
      const auto wanted = wanted_of(mask + i, T());
      _mm512_storeu_si512(out + kept, packed(wanted, _mm512_loadu_si512(from + i), T()));
      kept += __builtin_popcount(wanted);
    }
  }
  return i;
}

inline int64_t place_vectors(int64_t* out, const uint8_t* mask, int64_t n, int64_t first,
                             int64_t& kept) {
  __m512i places =
      _mm512_add_epi64(_mm512_set1_epi64(first), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __mmask8 wanted = wanted_of(mask + i, uint64_t());
    _mm512_storeu_si512(out + kept, packed(wanted, places, uint64_t()));
    kept += __builtin_popcount(wanted);
    places = _mm512_add_epi64(places, _mm512_set1_epi64(8));
  }
  return i;
}
#else
template <class T>
int64_t pack_vectors(T*, const T*, const uint8_t*, int64_t, int64_t&) {
  return 0;
}
inline int64_t place_vectors(int64_t*, const uint8_t*, int64_t, int64_t, int64_t&) { return 0; }
#endif

// Of a part of a buffer; inlined, the compiler takes it to reach beyond.
__attribute__((noinline)) void copy_out(void* to, const void* from, int64_t bytes) {
  copy_piece(static_cast<char*>(to), static_cast<const char*>(from), bytes);
}

template <class T>
void pack(void* dst, int64_t room, const void* src, const uint8_t* mask, int64_t n) {
  T buffer[kPackBlock + 64 / sizeof(T)];
  T* out = static_cast<T*>(dst);
  T* const end = out + room;
  for (int64_t begin = 0; begin < n; begin += kPackBlock) {
    const int64_t length = n - begin < kPackBlock ? n - begin : kPackBlock;
    const T* from = static_cast<const T*>(src) + begin;
    int64_t kept = 0;
    const int64_t done = pack_vectors(buffer, from, mask + begin, length, kept);
    for_true(mask + begin + done, length - done, [&](int64_t i, bool wanted) {
      buffer[kept] = from[done + i];
      kept += wanted;
    });
    if (kept > end - out) kept = end - out;
    copy_out(out, buffer, kept * static_cast<int64_t>(sizeof(T)));
    out += kept;
  }
  __builtin_memset(static_cast<void*>(out), 0, static_cast<size_t>(end - out) * sizeof(T));
}

void positions(int64_t* dst, int64_t room, const uint8_t* mask, int64_t n, int64_t first) {
  int64_t buffer[kPackBlock + 8];
  for (int64_t begin = 0; begin < n; begin += kPackBlock) {
    const int64_t length = n - begin < kPackBlock ? n - begin : kPackBlock;
    int64_t kept = 0;
    const int64_t done = place_vectors(buffer, mask + begin, length, first + begin, kept);
    for_true(mask + begin + done, length - done, [&](int64_t i, bool wanted) {
      buffer[kept] = first + begin + done + i;
      kept += wanted;
    });
    if (kept > room) kept = room;
    copy_out(dst, buffer, kept * static_cast<int64_t>(sizeof(int64_t)));
    dst += kept;
    room -= kept;
  }
  __builtin_memset(dst, 0, static_cast<size_t>(room) * sizeof(int64_t));
}

// ---- joined rows

template <int64_t size>
void join_elements(char* out, const JoinedPart* parts, int64_t count, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < count; ++k, out += size)
      copy_one<size>(out, parts[k].data + r * parts[k].step);
}

// A piece of each of some rows.
template <int64_t size>
void join_pieces(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) copy_one<size>(to + r * to_step, from + r * from_step);
}
void join_pieces(char* to, int64_t to_step, const JoinedPart& part, int64_t first, int64_t rows) {
  const char* const from = part.data + first * part.step;
  if (part.bytes == 2) return join_pieces<2>(to, to_step, from, part.step, rows);
  if (part.bytes == 4) return join_pieces<4>(to, to_step, from, part.step, rows);
  if (part.bytes == 8) return join_pieces<8>(to, to_step, from, part.step, rows);
  for (int64_t r = 0; r < rows; ++r) copy_piece(to + r * to_step, from + r * part.step, part.bytes);
}

void join(char* out, const JoinedPart* parts, int64_t count, int64_t rows) {
  constexpr int64_t kTogether = 8 << 10;  // bytes of rows that stay in the L1 cache
  bool equal = true;
  int64_t row_bytes = 0, largest = 0, before = 0;
  for (int64_t k = 0; k < count; ++k) {
    equal = equal && parts[k].bytes == parts[0].bytes;
    if (parts[k].bytes > parts[largest].bytes) largest = k, before = row_bytes;
    row_bytes += parts[k].bytes;
  }
  if (equal && parts[0].bytes == 4) return join_elements<4>(out, parts, count, rows);
  if (equal && parts[0].bytes == 8) return join_elements<8>(out, parts, count, rows);
  const int64_t fitting = row_bytes < kTogether ? kTogether / (row_bytes > 0 ? row_bytes : 1) : 1;
  for (int64_t r = 0; r < rows; r += fitting) {
    const int64_t n = rows - r < fitting ? rows - r : fitting;
    char* to = out + r * row_bytes;
    // What brings most of a row into the cache comes first, by whole lines.
    join_pieces(to + before, row_bytes, parts[largest], r, n);
    for (int64_t k = 0; k < count; to += parts[k++].bytes)
      if (k != largest) join_pieces(to, row_bytes, parts[k], r, n);
  }
}

}  // namespace

#define FLAMBEAU_BY_SIZE(...)                                                                 \
  {__VA_ARGS__(uint8_t), __VA_ARGS__(uint16_t), __VA_ARGS__(uint32_t), __VA_ARGS__(uint64_t), \
   __VA_ARGS__(Bytes16)}
#define FLAMBEAU_BY_TYPE(Op)                                                      \
  {update<Op, uint8_t>,         update<Op, int8_t>,   update<Op, int16_t>,        \
   update<Op, int32_t>,         update<Op, int64_t>,  update<Op, float16>,        \
   update<Op, float>,           update<Op, double>,   update<Op, complex<float>>, \
   update<Op, complex<double>>, update<Op, Bool>,     update<Op, bfloat16>,       \
   update<Op, uint16_t>,        update<Op, uint32_t>, update<Op, uint64_t>}
#define FLAMBEAU_LOAD(T) move<T, false>
#define FLAMBEAU_STORE(T) move<T, true>
#define FLAMBEAU_PICK(T) pick<T>
#define FLAMBEAU_SELECT(T) select<T>
#define FLAMBEAU_PACK(T) pack<T>

extern const IndexKernels index_kernels;
const IndexKernels index_kernels = {
    FLAMBEAU_BY_SIZE(FLAMBEAU_LOAD),
    FLAMBEAU_BY_SIZE(FLAMBEAU_STORE),
    FLAMBEAU_BY_SIZE(FLAMBEAU_PICK),
    FLAMBEAU_BY_TYPE(Add),
    FLAMBEAU_BY_TYPE(Multiply),
    offsets,
    narrow,
    FLAMBEAU_BY_SIZE(FLAMBEAU_SELECT),
    count,
    FLAMBEAU_BY_SIZE(FLAMBEAU_PACK),
    positions,
    join,
};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
