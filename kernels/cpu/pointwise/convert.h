// Loops over elements of any dtype: casts, gathers and scatters; one table per instruction set.
#pragma once

#include <cstdint>

#include "kernels/cpu/pointwise/loop.h"

namespace flambeau::inline v1::cpu {

// The type in which elements of a dtype are computed; `count` for dtypes without arithmetic.
inline Compute compute_of(DType dtype) {
  switch (dtype) {
    case DType::float16:
    case DType::bfloat16:
    case DType::float32:
      return Compute::f32;
    case DType::float64:
      return Compute::f64;
    case DType::uint8:
    case DType::int8:
    case DType::int16:
    case DType::uint16:
    case DType::int32:
      return Compute::i32;
    case DType::uint32:
    case DType::int64:
      return Compute::i64;
    case DType::uint64:
      return Compute::u64;
    case DType::boolean:
      return Compute::b8;
    case DType::complex64:
      return Compute::c64;
    case DType::complex128:
      return Compute::c128;
    default:
      return Compute::count;
  }
}
// The one that is the dtype's own, of the small ones; else `count`.
inline Compute small_compute_of(DType dtype) {
  switch (dtype) {
    case DType::int8:
      return Compute::i8;
    case DType::uint8:
      return Compute::u8;
    case DType::int16:
      return Compute::i16;
    case DType::bfloat16:
      return Compute::bf16;
    case DType::float16:
      return Compute::f16;
    default:
      return Compute::count;
  }
}
inline DType dtype_of(Compute compute) {
  constexpr DType kOf[kComputes] = {
      DType::float32, DType::float64,   DType::int32,      DType::int64, DType::uint64,
      DType::boolean, DType::complex64, DType::complex128, DType::int8,  DType::uint8,
      DType::int16,   DType::bfloat16,  DType::float16};
  return kOf[static_cast<int>(compute)];
}

// The dtypes that have arithmetic, numbered without gaps; -1 for the others.
constexpr int kStoredTypes = 15;
constexpr int8_t kStoredIndex[kDTypes] = {0,  1,  2,  3,  4,  5,  6,  7,  -1, 8,
                                          9,  10, -1, -1, -1, 11, -1, -1, -1, -1,
                                          -1, -1, -1, -1, -1, -1, -1, 12, 13, 14};

// n elements, contiguous on both sides, which do not overlap.
using ConvertLoop = void (*)(const void* src, void* dst, int64_t n);
// Between a contiguous block and a strided one; dimensions innermost first, strides in bytes.
using StridedLoop = void (*)(char* dst, const char* src, const int64_t* sizes,
                             const int64_t* strides, int ndim);
// dst[2 i] = first[i], dst[2 i + 1] = second[i] for i < n.
using PairLoop = void (*)(void* dst, const void* first, const void* second, int64_t n);
using FillLoop = void (*)(void* dst, const void* value, int64_t n);
// Element r of row c of dst is element c of row r of src, for r < rows and c < cols; strides in
// bytes. `stream` allows stores that pass the caches by.
using TransposeLoop = void (*)(char* dst, int64_t dst_stride, const char* src, int64_t src_stride,
                               int64_t rows, int64_t cols, bool stream);

// Arrays of five are by the logarithm of the element's size: 1, 2, 4, 8, 16 bytes.
struct ConvertKernels {
  ConvertLoop convert[kStoredTypes][kStoredTypes];  // [from][to]
  StridedLoop gather[5], scatter[5];
  FillLoop fill[5];
  TransposeLoop transpose[5];
  PairLoop interleave[5];
  void (*stream)(void* dst, const void* src, int64_t bytes);  // memcpy that passes the caches by
  void (*move)(void* dst, const void* src, int64_t bytes);    // memcpy of some kilobytes
};

const ConvertKernels& convert_kernels();  // of isa()

// NotImplementedError for dtypes without arithmetic.
ConvertLoop convert_loop(DType from, DType to);
inline int log2_size(int64_t itemsize) { return __builtin_ctzll(static_cast<uint64_t>(itemsize)); }

namespace baseline {
extern const ConvertKernels convert_kernels;
}
namespace avx2 {
extern const ConvertKernels convert_kernels;
}
namespace avx512 {
extern const ConvertKernels convert_kernels;
}

}  // namespace flambeau::inline v1::cpu
