// Passes over planes whose groups have one channel each: there is nothing to multiply but taps.
#pragma once

#include <cstdint>

#include "kernels/cpu/conv/pass.h"

namespace flambeau::inline v1::cpu {

// Note [Depthwise]
// Rows of one channel are copied into a scratch with zeros around them, in the type of the sums.
// What a tap reads for each pixel is then at a fixed distance from what the first tap reads, and
// vectors of sums are taken several at a time. Columns that are equal modulo the step are copied
// side by side, so that vectors are contiguous.
struct DepthwiseBlock {
  const PatchSource* source;
  const void* src;      // of the image, the channel
  const void* filters;  // of one out, in the type of the sums
  const void* bias;     // or nullptr; in the type of the sums
  int64_t row, rows;    // of the grid
  void* out;            // of the image, the out; or its gradient
  int64_t out_h, out_w;
  void* scratch;
  int64_t pitch;   // of a row of the scratch, in elements
  int64_t column;  // of columns that are equal modulo the step, in elements
  bool cleared;    // the scratch has zeros where nothing is copied to
};

// Taps that are correlated together: so many that no sum waits for the one before.
constexpr int kTapsTogether = 5;

struct DepthwiseKernels {
  int64_t lanes, sum;  // of a vector of sums; bytes of one
  int64_t together;    // vectors of sums
  int64_t outs;        // gradients that are taken together
  // Copies what the rows of the block read into its scratch.
  void (*load)(const DepthwiseBlock& block);
  // The outputs from what was loaded, for taps at these distances in the scratch.
  void (*multiply)(const DepthwiseBlock& block, const int64_t* taps);
  // Adds products of the gradient of outputs with what was loaded to a vector for each of `count`
  // taps; for each of `outs` gradients, and their sums, at these distances in elements.
  void (*correlate)(const DepthwiseBlock& block, int64_t outs, int64_t distance,
                    const int64_t* taps, int64_t count, void* sums, int64_t sums_distance);
  // n elements, `stride` apart, in the type of the sums, and back.
  void (*widen)(void* to, const void* from, int64_t stride, int64_t n);
  void (*narrow)(void* to, int64_t stride, const void* from, int64_t n);
  // The sum of a vector's lanes, into the first.
  void (*join_lanes)(void* vector);
  void (*add)(void* to, const void* from, int64_t n);
};
// The kernels of a table with some for each type.
template <class Table>
const auto& of_type(const Table& table, ConvType type) {
  switch (type) {
    case ConvType::f32:
      return table.f32;
    case ConvType::f64:
      return table.f64;
    case ConvType::bf16:
      return table.bf16;
    case ConvType::f16:
      break;
  }
  return table.f16;
}

struct DepthwiseTable {
  DepthwiseKernels f32, f64, bf16, f16;
};

namespace baseline {
extern const DepthwiseTable depthwise_table;
}
namespace avx2 {
extern const DepthwiseTable depthwise_table;
}
namespace avx512 {
extern const DepthwiseTable depthwise_table;
}

const DepthwiseKernels& depthwise_kernels(ConvType type);
// Bytes of an element in memory.
constexpr int64_t element_of(ConvType type) {
  return type == ConvType::f64 ? 8 : type == ConvType::f32 ? 4 : 2;
}

bool is_depthwise(const ConvPass& pass);
void run_depthwise(ConvType type, const ConvPass& pass);

// The gradient of filters from planes: also of more channels, where these or the outs are so few
// that a product of matrices would not repay what it copies.
bool correlates(ConvType type, ConvLayout layout, const Conv2dShape& shape,
                const PatchSource& source);
void correlate_grad_filters(ConvType type, const Conv2dShape& shape, const PatchSource& source,
                            const void* dy, const MutableConvFilters& gradient);

}  // namespace flambeau::inline v1::cpu
