#include <utility>

#include "kernels/cpu/pointwise/convert.h"
#include "kernels/math/cast.h"
#include "kernels/math/vector_bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

using math::bfloat16;
using math::complex;
using math::float16;

// ---- casts

struct Bool {
  uint8_t byte;  // any nonzero byte is true
};

template <class T>
FLAMBEAU_LEAF T number(T x) {
  return x;
}
FLAMBEAU_LEAF bool number(Bool x) { return x.byte != 0; }

template <class To, class From>
FLAMBEAU_LEAF To element(From x) {
  if constexpr (__is_same(To, Bool))
    return Bool{math::cast<bool>(number(x))};
  else
    return math::cast<To>(number(x));
}

template <class T>
constexpr bool kHalf = __is_same(T, float16) || __is_same(T, bfloat16);
template <class A, class B>
constexpr bool kHalfAndFloat = kHalf<A> && __is_same(B, float);

template <class From, class To>
void convert(const void* src, void* dst, int64_t n) {
  const From* __restrict s = static_cast<const From*>(src);
  To* __restrict d = static_cast<To*>(dst);
  if constexpr (kHalfAndFloat<From, To> || kHalfAndFloat<To, From>) {
    math::convert(s, d, n);
  } else if constexpr (__is_same(From, Bool) && kHalf<To>) {
    const uint16_t one = element<To>(Bool{1}).bits;
    for (int64_t i = 0; i < n; ++i) d[i].bits = static_cast<uint16_t>(s[i].byte != 0 ? one : 0);
  } else if constexpr (__is_same(To, float16) && !__is_same(From, float16)) {
    // By way of float, which the processor narrows by itself.
    constexpr int64_t kBlock = 512;
    float wide[kBlock];
    for (int64_t i = 0; i < n; i += kBlock) {
      const int64_t count = n - i < kBlock ? n - i : kBlock;
      for (int64_t k = 0; k < count; ++k) wide[k] = element<float>(s[i + k]);
      math::convert(wide, d + i, count);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) d[i] = element<To>(s[i]);
  }
}

// Where the low bits of the two addresses are near each other, memcpy's string instructions go byte
// by byte on some processors; plain vectors do not.
void move(void* dst, const void* src, int64_t bytes) {
  using Vector [[gnu::vector_size(kVectorBytes), gnu::may_alias, gnu::aligned(1)]] = char;
  char* d = static_cast<char*>(dst);
  const char* s = static_cast<const char*>(src);
  constexpr int64_t kStep = 4 * kVectorBytes;
  int64_t i = 0;
  for (; i + kStep <= bytes; i += kStep)
    for (int k = 0; k < 4; ++k)
      *reinterpret_cast<Vector*>(d + i + k * kVectorBytes) =
          *reinterpret_cast<const Vector*>(s + i + k * kVectorBytes);
  for (; i + kVectorBytes <= bytes; i += kVectorBytes)
    *reinterpret_cast<Vector*>(d + i) = *reinterpret_cast<const Vector*>(s + i);
  if (i < bytes) __builtin_memcpy(d + i, s + i, static_cast<size_t>(bytes - i));
}

// ---- gathers and scatters

struct Wide {
  uint64_t low, high;
};

// With a small step that the compiler knows, vectors are shuffled.
template <int step, class T>
inline void gather_step(T* __restrict dst, const char* __restrict src, int64_t n) {
  const T* __restrict s = reinterpret_cast<const T*>(src);
  for (int64_t i = 0; i < n; ++i) dst[i] = s[step * i];
}

template <class T>
inline void gather_row(T* __restrict dst, const char* __restrict src, int64_t n, int64_t stride) {
  constexpr int64_t item = sizeof(T);
  if (stride == item) return move(dst, src, n * item);
  if (stride == 2 * item) return gather_step<2>(dst, src, n);
  if (stride == 3 * item) return gather_step<3>(dst, src, n);
  if (stride == 4 * item) return gather_step<4>(dst, src, n);
  if (stride == 0) {
    const T value = *reinterpret_cast<const T*>(src);
    for (int64_t i = 0; i < n; ++i) dst[i] = value;
    return;
  }
  constexpr int kTogether = 8;  // their loads do not wait for each other's addresses
  int64_t i = 0;
  for (; i + kTogether <= n; i += kTogether, src += kTogether * stride) {
    T v[kTogether];
    for (int k = 0; k < kTogether; ++k) v[k] = *reinterpret_cast<const T*>(src + k * stride);
    for (int k = 0; k < kTogether; ++k) dst[i + k] = v[k];
  }
  for (; i < n; ++i, src += stride) dst[i] = *reinterpret_cast<const T*>(src);
}

#if defined(FLAMBEAU_ISA_avx512)
// Every other element from src: the lanes between are not written. Gives how many are done.
template <class T>
inline int64_t scatter_pairs(T* dst, const T* src, int64_t n) {
  constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));
  typedef T Vec __attribute__((vector_size(kVectorBytes)));
  typedef T Half __attribute__((vector_size(kVectorBytes / 2)));
  int64_t i = 0;
  for (; i + kLanes / 2 <= n; i += kLanes / 2) {
    Half half;
    __builtin_memcpy(&half, src + i, sizeof half);
    const auto spread = [&]<int... I>(std::integer_sequence<int, I...>) {
      return __builtin_shufflevector(half, half, I / 2 ...);
    };
    const Vec v = spread(std::make_integer_sequence<int, kLanes>());
    const auto bits = __builtin_bit_cast(__m512i, v);
    if constexpr (sizeof(T) == 2)
      _mm512_mask_storeu_epi16(dst + 2 * i, 0x55555555u, bits);
    else if constexpr (sizeof(T) == 4)
      _mm512_mask_storeu_epi32(dst + 2 * i, 0x5555, bits);
    else
      _mm512_mask_storeu_epi64(dst + 2 * i, 0x55, bits);
  }
  return i;
}
#endif

template <class T>
inline void scatter_row(char* __restrict dst, const T* __restrict src, int64_t n, int64_t stride) {
  if (stride == sizeof(T)) {
    for (int64_t i = 0; i < n; ++i) reinterpret_cast<T*>(dst)[i] = src[i];
  } else {
#if defined(FLAMBEAU_ISA_avx512)
    if constexpr (sizeof(T) > 1 && sizeof(T) < 16) {
      if (stride == 2 * sizeof(T)) {
        const int64_t done = scatter_pairs(reinterpret_cast<T*>(dst), src, n);
        dst += done * stride;
        src += done;
        n -= done;
      }
    }
#endif
    for (int64_t i = 0; i < n; ++i) *reinterpret_cast<T*>(dst + i * stride) = src[i];
  }
}

constexpr int kMaxDims = 64;

// Calls row(offset) for each run of the innermost dimension, in order.
template <class Row>
inline void for_rows(const int64_t* sizes, const int64_t* strides, int ndim, Row row) {
  if (ndim <= 1) return row(int64_t{0});
  int64_t at[kMaxDims];
  for (int d = 2; d < ndim; ++d) at[d] = 0;
  int64_t offset = 0;
  for (;;) {
    for (int64_t i = 0; i < sizes[1]; ++i) row(offset + i * strides[1]);
    int d = 2;
    for (; d < ndim; ++d) {
      offset += strides[d];
      if (++at[d] < sizes[d]) break;
      offset -= sizes[d] * strides[d];
      at[d] = 0;
    }
    if (d >= ndim) return;
  }
}

template <class T>
void gather(char* dst, const char* src, const int64_t* sizes, const int64_t* strides, int ndim) {
  T* d = reinterpret_cast<T*>(dst);
  const int64_t n = sizes[0], stride = strides[0];
  for_rows(sizes, strides, ndim, [&](int64_t offset) {
    gather_row(d, src + offset, n, stride);
    d += n;
  });
}

template <class T>
void scatter(char* dst, const char* src, const int64_t* sizes, const int64_t* strides, int ndim) {
  const T* s = reinterpret_cast<const T*>(src);
  const int64_t n = sizes[0], stride = strides[0];
  for_rows(sizes, strides, ndim, [&](int64_t offset) {
    scatter_row(dst + offset, s, n, stride);
    s += n;
  });
}

// Two arrays as one of pairs.
template <class T>
void interleave(void* dst, const void* first, const void* second, int64_t n) {
  T* __restrict d = static_cast<T*>(dst);
  const T* __restrict a = static_cast<const T*>(first);
  const T* __restrict b = static_cast<const T*>(second);
  for (int64_t i = 0; i < n; ++i) {
    d[2 * i] = a[i];
    d[2 * i + 1] = b[i];
  }
}

template <class T>
void fill(void* dst, const void* value, int64_t n) {
  const T v = *static_cast<const T*>(value);
  T* d = static_cast<T*>(dst);
  for (int64_t i = 0; i < n; ++i) d[i] = v;
}

// ---- transposition

// Stores that do not bring the line into the caches: a large result is not read again soon.
template <class V>
FLAMBEAU_LEAF void stream_store(void* dst, V v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64)
    return _mm512_stream_si512(static_cast<__m512i*>(dst), __builtin_bit_cast(__m512i, v));
#endif
#if defined(__AVX__)
  if constexpr (sizeof(V) == 32)
    return _mm256_stream_si256(static_cast<__m256i*>(dst), __builtin_bit_cast(__m256i, v));
#endif
#if defined(__x86_64__)
  if constexpr (sizeof(V) == 16)
    return _mm_stream_si128(static_cast<__m128i*>(dst), __builtin_bit_cast(__m128i, v));
#endif
  __builtin_memcpy(dst, &v, sizeof v);
}

FLAMBEAU_LEAF void stream_end() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

template <class T>
struct Square {
  static constexpr int kFitting = kVectorBytes / static_cast<int>(sizeof(T));
  static constexpr int kLanes = kFitting < 16 ? kFitting : 16;
  typedef T Vec __attribute__((vector_size(kLanes * sizeof(T))));

  template <size_t... I>
  FLAMBEAU_LEAF Vec low(Vec a, Vec b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (I % 2 * kLanes + I / 2)...);
  }
  template <size_t... I>
  FLAMBEAU_LEAF Vec high(Vec a, Vec b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (I % 2 * kLanes + kLanes / 2 + I / 2)...);
  }

  // Rows i and i + half, interleaved, are rows 2i and 2i + 1 of the next round; after log2(lanes)
  // rounds each row has become a column.
  FLAMBEAU_LEAF void round(Vec* rows) {
    constexpr auto all = std::make_index_sequence<kLanes>();
    Vec next[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes / 2; ++i) {
      next[2 * i] = low(rows[i], rows[i + kLanes / 2], all);
      next[2 * i + 1] = high(rows[i], rows[i + kLanes / 2], all);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) rows[i] = next[i];
  }

  template <bool stream>
  FLAMBEAU_LEAF void transpose(char* dst, int64_t dst_stride, const char* src, int64_t src_stride) {
    Vec rows[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) __builtin_memcpy(&rows[i], src + i * src_stride, sizeof(Vec));
#pragma GCC unroll 4
    for (int step = 1; step < kLanes; step *= 2) round(rows);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if constexpr (stream)
        stream_store(dst + i * dst_stride, rows[i]);
      else
        __builtin_memcpy(dst + i * dst_stride, &rows[i], sizeof(Vec));
    }
  }
};

template <class T>
inline void transpose_plain(char* dst, int64_t dst_stride, const char* src, int64_t src_stride,
                            int64_t rows, int64_t cols) {
  for (int64_t c = 0; c < cols; ++c)
    for (int64_t r = 0; r < rows; ++r)
      reinterpret_cast<T*>(dst + c * dst_stride)[r] =
          reinterpret_cast<const T*>(src + r * src_stride)[c];
}

template <class T, bool stream>
inline void transpose_squares(char* dst, int64_t dst_stride, const char* src, int64_t src_stride,
                              int64_t rows, int64_t cols) {
  constexpr int64_t kLanes = Square<T>::kLanes, kItem = sizeof(T);
  const int64_t whole_rows = rows / kLanes * kLanes, whole_cols = cols / kLanes * kLanes;
  for (int64_t c = 0; c < whole_cols; c += kLanes)
    for (int64_t r = 0; r < whole_rows; r += kLanes)
      Square<T>::template transpose<stream>(dst + c * dst_stride + r * kItem, dst_stride,
                                            src + r * src_stride + c * kItem, src_stride);
  transpose_plain<T>(dst + whole_cols * dst_stride, dst_stride, src + whole_cols * kItem,
                     src_stride, rows, cols - whole_cols);
  transpose_plain<T>(dst + whole_rows * kItem, dst_stride, src + whole_rows * src_stride,
                     src_stride, rows - whole_rows, whole_cols);
}

template <class T>
void transpose(char* dst, int64_t dst_stride, const char* src, int64_t src_stride, int64_t rows,
               int64_t cols, bool stream) {
  if constexpr (sizeof(T) == 16) {
    transpose_plain<T>(dst, dst_stride, src, src_stride, rows, cols);
  } else {
    constexpr uint64_t kVec = sizeof(typename Square<T>::Vec);
    const uint64_t misaligned =
        (reinterpret_cast<uint64_t>(dst) | static_cast<uint64_t>(dst_stride)) % kVec;
    if (stream && misaligned == 0) {
      transpose_squares<T, true>(dst, dst_stride, src, src_stride, rows, cols);
      stream_end();
    } else {
      transpose_squares<T, false>(dst, dst_stride, src, src_stride, rows, cols);
    }
  }
}

void stream(void* dst, const void* src, int64_t bytes) {
  typedef uint8_t Vec __attribute__((vector_size(kVectorBytes)));
  constexpr int64_t kStep = 256;
  char* d = static_cast<char*>(dst);
  const char* s = static_cast<const char*>(src);
  const auto to_line = static_cast<int64_t>(-reinterpret_cast<uint64_t>(d) % 64);
  const int64_t head = to_line < bytes ? to_line : bytes;
  __builtin_memcpy(d, s, static_cast<size_t>(head));
  d += head;
  s += head;
  bytes -= head;
  const int64_t whole = bytes / kStep * kStep;
  for (int64_t i = 0; i < whole; i += kStep) {
    Vec v[kStep / kVectorBytes];
    __builtin_memcpy(v, s + i, kStep);
#pragma GCC unroll 16
    for (int k = 0; k < kStep / kVectorBytes; ++k) stream_store(d + i + k * kVectorBytes, v[k]);
  }
  __builtin_memcpy(d + whole, s + whole, static_cast<size_t>(bytes - whole));
  stream_end();
}

// ---- the table, in the order of kStoredIndex

#define FLAMBEAU_CONVERT_FROM(From)                                                           \
  {                                                                                           \
      convert<From, uint8_t>,         convert<From, int8_t>,   convert<From, int16_t>,        \
      convert<From, int32_t>,         convert<From, int64_t>,  convert<From, float16>,        \
      convert<From, float>,           convert<From, double>,   convert<From, complex<float>>, \
      convert<From, complex<double>>, convert<From, Bool>,     convert<From, bfloat16>,       \
      convert<From, uint16_t>,        convert<From, uint32_t>, convert<From, uint64_t>,       \
  }

}  // namespace

extern const ConvertKernels convert_kernels;
const ConvertKernels convert_kernels = {
    {FLAMBEAU_CONVERT_FROM(uint8_t), FLAMBEAU_CONVERT_FROM(int8_t), FLAMBEAU_CONVERT_FROM(int16_t),
     FLAMBEAU_CONVERT_FROM(int32_t), FLAMBEAU_CONVERT_FROM(int64_t), FLAMBEAU_CONVERT_FROM(float16),
     FLAMBEAU_CONVERT_FROM(float), FLAMBEAU_CONVERT_FROM(double),
     FLAMBEAU_CONVERT_FROM(complex<float>), FLAMBEAU_CONVERT_FROM(complex<double>),
     FLAMBEAU_CONVERT_FROM(Bool), FLAMBEAU_CONVERT_FROM(bfloat16), FLAMBEAU_CONVERT_FROM(uint16_t),
     FLAMBEAU_CONVERT_FROM(uint32_t), FLAMBEAU_CONVERT_FROM(uint64_t)},
    {gather<uint8_t>, gather<uint16_t>, gather<uint32_t>, gather<uint64_t>, gather<Wide>},
    {scatter<uint8_t>, scatter<uint16_t>, scatter<uint32_t>, scatter<uint64_t>, scatter<Wide>},
    {fill<uint8_t>, fill<uint16_t>, fill<uint32_t>, fill<uint64_t>, fill<Wide>},
    {transpose<uint8_t>, transpose<uint16_t>, transpose<uint32_t>, transpose<uint64_t>,
     transpose<Wide>},
    {interleave<uint8_t>, interleave<uint16_t>, interleave<uint32_t>, interleave<uint64_t>,
     interleave<Wide>},
    stream,
    move,
};

#undef FLAMBEAU_CONVERT_FROM

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
