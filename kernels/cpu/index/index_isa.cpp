#include <utility>

#include "kernels/cpu/index/index_kernels.h"
#include "kernels/math/cast.h"
#include "kernels/math/complex.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

using math::bfloat16;
using math::complex;
using math::float16;

// ---- elements

struct Bool {
  uint8_t byte;
};
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
    return {static_cast<uint8_t>(to.byte | (from.byte & factor.byte))};
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
    return {static_cast<uint8_t>(to.byte & from.byte)};
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

// plain[i] = indexed[-i]: a flipped row.
template <class T>
void reverse_row(T* __restrict dst, const T* __restrict src, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dst[i] = src[-i];
}

template <class T, bool store>
void move_row(char* plain, int64_t ps, char* indexed, int64_t is, const int64_t* offsets,
              int64_t os, int64_t n) {
  constexpr int64_t item = sizeof(T);
  if (os == 0) {
    indexed += *offsets;
    if (!store && ps == item && is == -item) return reverse_row(&at<T>(plain), &at<T>(indexed), n);
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

// Packing without branches writes each element, and steps on where it is wanted; a buffer keeps
// the one write too many away from what lies behind dst.
constexpr int64_t kPackBlock = 512;

template <class T>
void pack(void* dst, const void* src, const uint8_t* mask, int64_t n) {
  T buffer[kPackBlock + 1];
  T* out = static_cast<T*>(dst);
  for (int64_t begin = 0; begin < n; begin += kPackBlock) {
    const int64_t length = n - begin < kPackBlock ? n - begin : kPackBlock;
    const T* from = static_cast<const T*>(src) + begin;
    int64_t kept = 0;
    for_true(mask + begin, length, [&](int64_t i, bool wanted) {
      buffer[kept] = from[i];
      kept += wanted;
    });
    __builtin_memcpy(out, buffer, static_cast<size_t>(kept) * sizeof(T));
    out += kept;
  }
}

void positions(int64_t* dst, const uint8_t* mask, int64_t n, int64_t first) {
  int64_t buffer[kPackBlock + 1];
  for (int64_t begin = 0; begin < n; begin += kPackBlock) {
    const int64_t length = n - begin < kPackBlock ? n - begin : kPackBlock;
    int64_t kept = 0;
    for_true(mask + begin, length, [&](int64_t i, bool wanted) {
      buffer[kept] = first + begin + i;
      kept += wanted;
    });
    __builtin_memcpy(dst, buffer, static_cast<size_t>(kept) * sizeof(int64_t));
    dst += kept;
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
#define FLAMBEAU_SELECT(T) select<T>
#define FLAMBEAU_PACK(T) pack<T>

extern const IndexKernels index_kernels;
const IndexKernels index_kernels = {
    FLAMBEAU_BY_SIZE(FLAMBEAU_LOAD),
    FLAMBEAU_BY_SIZE(FLAMBEAU_STORE),
    FLAMBEAU_BY_TYPE(Add),
    FLAMBEAU_BY_TYPE(Multiply),
    offsets,
    FLAMBEAU_BY_SIZE(FLAMBEAU_SELECT),
    count,
    FLAMBEAU_BY_SIZE(FLAMBEAU_PACK),
    positions,
};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
