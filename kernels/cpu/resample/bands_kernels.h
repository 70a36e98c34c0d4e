// The loops of bands (bands.h); one table per instruction set.
#pragma once

#include <cstdint>
#include <type_traits>

namespace flambeau::inline v1::cpu {

// A row of the source, by its first element, that is added to others with a weight.
struct BandTap {
  int64_t offset;
  double weight;
};

// Results side by side, as many as a vector has, whose elements of the source lie within two
// vectors from `base` on, or four where that is `far`; base is -1 where they do not.
struct BandBlock {
  int64_t base, most;  // most elements that a result is a sum of
  bool ragged;         // some have fewer
  bool far;
};
template <class T>
using BandPlace = std::conditional_t<sizeof(T) == 4, int32_t,
                                     std::conditional_t<sizeof(T) == 8, int64_t, int8_t>>;

// What is done along a row: `inner` elements lie at each of `in` places.
template <class T>
struct BandAlong {
  int64_t in, out, inner, most;
  const int64_t *begin, *count;  // by place of the result
  const T* weights;              // `most` by place of the result; null: all are 1
  const T* divisors;             // by element of the result; null: 1
  // By block: null where there are none. Places are counted from the base; weights, `most` vectors
  // from `first` on, are NaN where a result has no such element.
  const BandBlock* blocks;
  const BandPlace<T>* places;
  const T* const* block_weights;
};

template <class T>
struct BandLoops {
  int64_t lanes;  // of a block; 0: blocks are not used
  // `n` elements of a row: the sum of rows of the stored type, times their weights unless `plain`.
  void (*gather)(T* row, const void* from, const BandTap* taps, int64_t count, int64_t n,
                 bool plain);
  // A row of results, divided by `divisor` times each one's own where there are divisors.
  void (*along)(void* out, const T* row, const BandAlong<T>& plan, T divisor);
};

// Bytes are weighted by integers, `shift` bits of which are fractions, and rounded after each
// dimension.
struct ByteBand {
  int64_t out, most;
  const int64_t *begin, *count;
  const int16_t* weights;  // `most` for each result
  int shift;
};
struct ByteLoops {
  int64_t lanes;  // of the blocks of `plan`; 0: they are not used
  // `room` holds a row as words.
  void (*along)(uint8_t* out, const uint8_t* row, const ByteBand& band,
                const BandAlong<uint32_t>& plan, uint32_t* room);
  // Result `o` of rows of n bytes.
  void (*across)(uint8_t* out, const uint8_t* rows, const ByteBand& band, int64_t o, int64_t n);
};

struct BandKernels {
  BandLoops<float> f32, f16, bf16;
  BandLoops<double> f64;
  BandLoops<int64_t> i64;
  BandLoops<uint8_t> u8;
  ByteLoops bytes;
};

namespace baseline {
extern const BandKernels band_kernels;
}
namespace avx2 {
extern const BandKernels band_kernels;
}
namespace avx512 {
extern const BandKernels band_kernels;
}

}  // namespace flambeau::inline v1::cpu
