#include "kernels/cpu/matmul/integer_kernels.h"
#include "kernels/math/vector_bytes.h"

namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {
namespace {

// Of the rows of a block and the vectors of a panel's row.
constexpr int kRows = 4, kVectors = 2;

// No vector unit multiplies bytes.
template <class T>
struct PanelType {
  using type = T;
};
template <>
struct PanelType<uint8_t> {
  using type = uint16_t;
};

template <class T>
struct Integers {
  using Wide = typename PanelType<T>::type;
  typedef Wide Vec __attribute__((vector_size(kVectorBytes)));
  static constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(Wide));
  static constexpr int kColumns = kVectors * kLanes;

  static void pack(void* panel, const void* b, int64_t row_stride, int64_t col_stride,
                   int64_t depth, int64_t cols) {
    Wide* to = static_cast<Wide*>(panel);
    const T* from = static_cast<const T*>(b);
    for (int64_t x = 0; x < depth; ++x, to += kColumns, from += row_stride) {
      if (col_stride == 1)
        for (int64_t j = 0; j < cols; ++j) to[j] = from[j];
      else
        for (int64_t j = 0; j < cols; ++j) to[j] = from[j * col_stride];
      for (int64_t j = cols; j < kColumns; ++j) to[j] = 0;
    }
  }

  static void multiply(void* c, int64_t c_stride, const void* a, int64_t row_stride,
                       int64_t col_stride, const void* panel, int64_t panel_stride, int64_t rows,
                       int64_t cols, int64_t depth, bool adds) {
    T* to = static_cast<T*>(c);
    const T* from = static_cast<const T*>(a);
    for (int64_t i = 0; i < rows; i += kRows) {
      const int64_t count = rows - i < kRows ? rows - i : kRows;
      const T* row[kRows];  // the last one again where there are fewer
      for (int r = 0; r < kRows; ++r)
        row[r] = from + (i + (r < count ? r : count - 1)) * row_stride;
      Wide sums[kRows][kColumns];
      block(sums, row, col_stride, static_cast<const Wide*>(panel), panel_stride, depth);
      for (int64_t r = 0; r < count; ++r) {
        T* const out = to + (i + r) * c_stride;
        if (adds)
          for (int64_t j = 0; j < cols; ++j) out[j] = static_cast<T>(out[j] + sums[r][j]);
        else
          for (int64_t j = 0; j < cols; ++j) out[j] = static_cast<T>(sums[r][j]);
      }
    }
  }

  static void dot(void* c, const void* a, const void* b, int64_t n) {
    const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b);
    Wide sum = 0;
    for (int64_t i = 0; i < n; ++i) sum = static_cast<Wide>(sum + Wide{x[i]} * Wide{y[i]});
    *static_cast<T*>(c) = static_cast<T>(sum);
  }

  static constexpr IntegerKernels kernels() {
    return {kColumns, sizeof(Wide), pack, multiply, dot};
  }

 private:
  static inline void block(Wide (&sums)[kRows][kColumns], const T* const (&row)[kRows],
                           int64_t col_stride, const Wide* panel, int64_t panel_stride,
                           int64_t depth) {
    Vec acc[kRows][kVectors] = {};
    for (int64_t x = 0; x < depth; ++x, panel += panel_stride) {
      Vec b[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) __builtin_memcpy(&b[v], panel + v * kLanes, sizeof(Vec));
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const Vec left = Wide{row[r][x * col_stride]} - Vec{};
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc[r][v] += left * b[v];
      }
    }
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v)
        __builtin_memcpy(&sums[r][v * kLanes], &acc[r][v], sizeof(Vec));
  }
};

}  // namespace

extern const IntegerTable integer_table;
const IntegerTable integer_table = {{Integers<uint8_t>::kernels(), Integers<uint16_t>::kernels(),
                                     Integers<uint32_t>::kernels(), Integers<uint64_t>::kernels()}};

}  // namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE
