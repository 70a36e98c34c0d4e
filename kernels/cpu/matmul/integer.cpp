#include "kernels/cpu/matmul/integer.h"

#include <algorithm>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/matmul/gemm/scratch.h"
#include "kernels/cpu/matmul/integer_kernels.h"
#include "kernels/cpu/pointwise/convert.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kDepth = 256;     // of a panel, which stays in the caches for all rows
constexpr int64_t kRowBlock = 128;  // of a task, where columns alone do not make enough of them
constexpr int64_t kFewTasks = 16;
constexpr int64_t kFewRows = 8;  // fewer do not pay for packing what they are multiplied with
constexpr int64_t kTaskWork = 1 << 18;  // multiplications

const IntegerKernels& kernels_of(int64_t item) {
  static const IntegerTable& table =
      of_isa(baseline::integer_table, avx2::integer_table, avx512::integer_table);
  return table.by[log2_size(item)];
}

// One column is one row of the product of the transposed.
IntegerProduct with_rows(IntegerProduct p) {
  if (p.n != 1 || p.m == 1) return p;
  std::swap(p.a, p.b);
  std::swap(p.a_step, p.b_step);
  std::swap(p.m, p.n);
  std::swap(p.a.row_stride, p.a.col_stride);
  std::swap(p.b.row_stride, p.b.col_stride);
  return p;
}

class Multiplier {
 public:
  Multiplier(char* out, const IntegerProduct& product, int64_t item)
      : out_(out), p_(with_rows(product)), item_(item), f_(kernels_of(item)) {}

  void run() const {
    if (p_.m == 1 && (p_.a.col_stride == 1 || p_.k == 1) && p_.b.row_stride == 1) return dots();
    const int64_t col_blocks = (p_.n + f_.columns - 1) / f_.columns;
    const int64_t row_block = p_.batch * col_blocks < kFewTasks ? kRowBlock : p_.m;
    const int64_t row_blocks = (p_.m + row_block - 1) / row_block;
    const int64_t work = std::min(row_block, p_.m) * std::min(f_.columns, p_.n) * p_.k;
    parallel_for(p_.batch * row_blocks * col_blocks, std::max<int64_t>(1, kTaskWork / work),
                 [&](int64_t begin, int64_t end) {
                   const Scratch panel(kDepth * f_.columns * f_.panel_item);
                   for (int64_t t = begin; t < end; ++t) {
                     const int64_t col = t % col_blocks * f_.columns, rest = t / col_blocks;
                     const int64_t row = rest % row_blocks * row_block;
                     block(panel.data(), rest / row_blocks, row, std::min(row_block, p_.m - row),
                           col, std::min(f_.columns, p_.n - col));
                   }
                 });
  }

 private:
  const char* at(const Matrix& m, int64_t row, int64_t col) const {
    return static_cast<const char*>(m.data) + (row * m.row_stride + col * m.col_stride) * item_;
  }

  void dots() const {
    const int64_t grain = std::max<int64_t>(1, kTaskWork / std::max<int64_t>(1, p_.k));
    parallel_for(p_.batch * p_.n, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t batch = i / p_.n;
        f_.dot(out_ + i * item_, at(p_.a, 0, 0) + batch * p_.a_step * item_,
               at(p_.b, 0, i % p_.n) + batch * p_.b_step * item_, p_.k);
      }
    });
  }

  void block(char* panel, int64_t batch, int64_t row, int64_t rows, int64_t col,
             int64_t cols) const {
    char* const c = out_ + ((batch * p_.m + row) * p_.n + col) * item_;
    const bool lies_packed =
        p_.m <= kFewRows && p_.b.col_stride == 1 && cols == f_.columns && f_.panel_item == item_;
    for (int64_t x = 0; x < p_.k; x += kDepth) {
      const int64_t depth = std::min(kDepth, p_.k - x);
      const char* const b = at(p_.b, x, col) + batch * p_.b_step * item_;
      if (!lies_packed) f_.pack(panel, b, p_.b.row_stride, p_.b.col_stride, depth, cols);
      f_.multiply(c, p_.n, at(p_.a, row, x) + batch * p_.a_step * item_, p_.a.row_stride,
                  p_.a.col_stride, lies_packed ? b : panel,
                  lies_packed ? p_.b.row_stride : f_.columns, rows, cols, depth, x > 0);
    }
  }

  char* out_;
  const IntegerProduct p_;
  int64_t item_;
  const IntegerKernels& f_;
};

// out = scale out + keep bias
template <class T>
void finish(const Tensor& out, const IntegerProduct& p, T scale, T keep) {
  const bool adds = p.bias && keep != 0;
  if (scale == 1 && !adds) return;
  T* const c = reinterpret_cast<T*>(out.bytes());
  parallel_for(p.batch * p.m, std::max<int64_t>(1, kTaskWork / p.n), [&](int64_t i, int64_t end) {
    for (; i < end; ++i)
      for (int64_t j = 0; j < p.n; ++j) {
        T value = static_cast<T>(scale * c[i * p.n + j]);
        if (adds) {
          const T* const bias = static_cast<const T*>(p.bias->data) + i / p.m * p.bias_step;
          value +=
              static_cast<T>(keep * bias[i % p.m * p.bias->row_stride + j * p.bias->col_stride]);
        }
        c[i * p.n + j] = value;
      }
  });
}

template <class T>
void product_of(const Tensor& out, const IntegerProduct& p, int64_t alpha, int64_t beta) {
  const auto scale = static_cast<T>(alpha), keep = static_cast<T>(beta);
  if (p.k == 0)
    std::fill_n(reinterpret_cast<T*>(out.bytes()), out.numel(), T(0));
  else
    Multiplier(out.bytes(), p, sizeof(T)).run();
  finish(out, p, scale, keep);
}

}  // namespace

void integer_product(const Tensor& out, const IntegerProduct& product, int64_t alpha,
                     int64_t beta) {
  switch (out.itemsize()) {
    case 1:
      return product_of<uint8_t>(out, product, alpha, beta);
    case 2:
      return product_of<uint16_t>(out, product, alpha, beta);
    case 4:
      return product_of<uint32_t>(out, product, alpha, beta);
    default:
      return product_of<uint64_t>(out, product, alpha, beta);
  }
}

}  // namespace flambeau::inline v1::cpu
