#include "kernels/cpu/norm/norm.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/matmul/gemm/scratch.h"
#include "kernels/cpu/norm/norm_kernels.h"
#include "kernels/cpu/pointwise/packed.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace baseline {
extern const NormKernels norm_kernels;
}
namespace avx2 {
extern const NormKernels norm_kernels;
}
namespace avx512 {
extern const NormKernels norm_kernels;
}

namespace {

const NormKernels& kernels() {
  static const NormKernels& chosen =
      of_isa(baseline::norm_kernels, avx2::norm_kernels, avx512::norm_kernels);
  return chosen;
}

template <class T>
const RowKernels<T>& rows() {
  if constexpr (std::is_same_v<T, float>)
    return kernels().f32;
  else
    return kernels().f64;
}

// Rows of a task: about 16k elements.
int64_t row_grain(int64_t n) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(n, 1)); }

DType compute_dtype(DType dtype) {
  return dtype == DType::float64 ? DType::float64 : DType::float32;
}

// `t` seen with `dim` last.
Tensor with_last(const Tensor& t, int64_t dim) {
  if (t.dim() == 0 || dim == t.dim() - 1) return t;
  Dims sizes(t.sizes()), strides(t.strides());
  const int64_t n = sizes[dim], s = strides[dim];
  sizes.erase(dim);
  strides.erase(dim);
  sizes.push_back(n);
  strides.push_back(s);
  return Tensor::alias(t, sizes, strides, t.offset());
}

// Whether `t` is to be read by columns: the elements along `dim` lie apart, those beside them
// together.
bool lies_in_columns(const Tensor& t, int64_t dim) {
  constexpr int64_t kFew = 16;  // neighbours, for which rows are put together instead
  return t.dim() > 0 && dim < t.dim() - 1 && t.is_contiguous() && t.strides()[dim] >= kFew;
}

// Rows of a contiguous tensor in the compute type: where they lie, or by way of a task's buffer.
template <class T>
class Rows {
 public:
  Rows(const Tensor& t, int64_t n)
      : n_(n), dtype_(t.dtype()), bytes_(t.bytes()), item_(static_cast<int64_t>(t.itemsize())) {}
  int64_t buffered() const { return dtype_ == kOwn ? 0 : n_; }
  T* place(int64_t i, T* buffer) const {
    return dtype_ == kOwn ? reinterpret_cast<T*>(bytes_) + i * n_ : buffer;
  }
  const T* read(int64_t i, T* buffer) const {
    if (dtype_ != kOwn) convert(kOwn, buffer, dtype_, bytes_ + i * n_ * item_, n_);
    return place(i, buffer);
  }
  void write(int64_t i, const T* row) const {
    if (dtype_ != kOwn) convert(dtype_, bytes_ + i * n_ * item_, kOwn, row, n_);
  }

 private:
  static constexpr DType kOwn = sizeof(T) == 8 ? DType::float64 : DType::float32;
  int64_t n_;
  DType dtype_;
  char* bytes_;
  int64_t item_;
};

// Calls f(row, buffers...) for `count` rows; a task has a buffer for each of them.
template <class T, class F, class... R>
void for_rows(int64_t count, int64_t n, F&& f, const R&... rows) {
  parallel_for(count, row_grain(n), [&](int64_t begin, int64_t end) {
    const int64_t most = std::max({rows.buffered()...});
    SmallScratch<256> buffers(most * int64_t{sizeof...(rows) * sizeof(T)});
    T* const first = reinterpret_cast<T*>(buffers.data());
    for (int64_t i = begin; i < end; ++i) f(i, first, most);
  });
}

template <class F>
void by_type(DType dtype, F&& f) {
  if (dtype == DType::float64)
    f(double{});
  else
    f(float{});
}

// Calls f(first element of a strip, its columns) for all strips of a contiguous tensor.
template <class F>
void for_strips(const Tensor& t, int64_t dim, F&& f) {
  const int64_t n = t.sizes()[dim], step = t.strides()[dim];
  const int64_t strips = (step + kStripColumns - 1) / kStripColumns;
  parallel_for(t.numel() / (n * step) * strips, row_grain(n * kStripColumns),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t column = i % strips * kStripColumns;
                   f(i / strips * n * step + column, std::min(kStripColumns, step - column));
                 }
               });
}

template <class Pick>
void map_rows(const Tensor& out, const Tensor& self, int64_t dim, Pick&& pick) {
  if (out.numel() == 0) return;
  const int64_t d = wrap_dim(dim, self.dim(), "softmax");
  const int64_t n = self.dim() == 0 ? 1 : self.sizes()[d];
  by_type(self.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const MapLoops<T>& loops = pick(rows<T>());
    if (lies_in_columns(self, d)) {
      const Tensor x = packed(self, compute_dtype(self.dtype())), y = place_for(out, x.dtype());
      for_strips(x, d, [&](int64_t at, int64_t width) {
        loops.columns(y.data<T>() + at, x.data<T>() + at, n, x.strides()[d], width);
      });
      return deliver(out, y);
    }
    const Tensor to_rows = with_last(out, d);
    const Tensor x = packed(with_last(self, d), self.dtype()), y = place_for(to_rows, out.dtype());
    const Rows<T> from(x, n), to(y, n);
    for_rows<T>(
        x.numel() / n, n,
        [&](int64_t i, T* buffers, int64_t step) {
          T* const made = to.place(i, buffers);
          loops.row(made, from.read(i, buffers + step), n);
          to.write(i, made);
        },
        to, from);
    deliver(to_rows, y);
  });
}

template <class Pick>
void map_rows(const Tensor& out, const Tensor& grad, const Tensor& output, int64_t dim,
              Pick&& pick) {
  if (out.numel() == 0) return;
  const int64_t d = wrap_dim(dim, grad.dim(), "softmax_backward");
  const int64_t n = grad.dim() == 0 ? 1 : grad.sizes()[d];
  by_type(grad.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const BackwardLoops<T>& loops = pick(rows<T>());
    if (lies_in_columns(output, d)) {
      const DType dtype = compute_dtype(grad.dtype());
      const Tensor g = packed(grad, dtype), v = packed(output, dtype), y = place_for(out, dtype);
      for_strips(v, d, [&](int64_t at, int64_t width) {
        loops.columns(y.data<T>() + at, g.data<T>() + at, v.data<T>() + at, n, v.strides()[d],
                      width);
      });
      return deliver(out, y);
    }
    const Tensor g = packed(with_last(grad, d), grad.dtype());
    const Tensor v = packed(with_last(output, d), output.dtype());
    const Tensor to_rows = with_last(out, d), y = place_for(to_rows, out.dtype());
    const Rows<T> grads(g, n), values(v, n), to(y, n);
    for_rows<T>(
        g.numel() / n, n,
        [&](int64_t i, T* buffers, int64_t step) {
          T* const made = to.place(i, buffers);
          loops.row(made, grads.read(i, buffers + step), values.read(i, buffers + 2 * step), n);
          to.write(i, made);
        },
        to, grads, values);
    deliver(to_rows, y);
  });
}

}  // namespace

void softmax(const Tensor& out, const Tensor& self, int64_t dim) {
  map_rows(out, self, dim, [](const auto& k) -> auto& { return k.softmax; });
}
void log_softmax(const Tensor& out, const Tensor& self, int64_t dim) {
  map_rows(out, self, dim, [](const auto& k) -> auto& { return k.log_softmax; });
}
void softmax_backward(const Tensor& out, const Tensor& grad, const Tensor& output, int64_t dim) {
  map_rows(out, grad, output, dim, [](const auto& k) -> auto& { return k.softmax_backward; });
}
void log_softmax_backward(const Tensor& out, const Tensor& grad, const Tensor& output,
                          int64_t dim) {
  map_rows(out, grad, output, dim, [](const auto& k) -> auto& { return k.log_softmax_backward; });
}

void layer_norm(const Tensor& out, const Tensor& mean, const Tensor& rstd, const Tensor& input,
                IntSpan normalized_shape, const Tensor& weight, const Tensor& bias, double eps) {
  if (input.numel() == 0) {  // rows of no elements have no variance, but there may be rows
    fill(mean, 0);
    fill(rstd, std::numeric_limits<double>::quiet_NaN());
    return;
  }
  const DType dtype = compute_dtype(input.dtype());
  const Tensor x = packed(input, input.dtype()), y = place_for(out, out.dtype());
  const Tensor w = packed(weight, dtype), b = packed(bias, dtype);
  const Tensor m = place_for(mean, dtype), r = place_for(rstd, dtype);
  const int64_t n = count(normalized_shape), rows_n = x.numel() / n;
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const wp = w.defined() ? w.data<T>() : nullptr;
    const T* const bp = b.defined() ? b.data<T>() : nullptr;
    T* const means = m.data<T>();
    T* const rstds = r.data<T>();
    const auto row = rows<T>().layer_norm;
    const Rows<T> from(x, n), to(y, n);
    for_rows<T>(
        rows_n, n,
        [&](int64_t i, T* buffers, int64_t step) {
          T* const made = to.place(i, buffers);
          row(made, means + i, rstds + i, from.read(i, buffers + step), wp, bp, n, eps);
          to.write(i, made);
        },
        to, from);
  });
  deliver(out, y);
  deliver(mean, m);
  deliver(rstd, r);
}

namespace {

// Gradients of weight and bias: each task sums its own rows, then the tasks' sums are added in
// order. The tasks depend on the shape alone.
template <class T>
void affine_gradients(const Tensor& grad_weight, const Tensor& grad_bias, const Tensor& g,
                      const Tensor& x, const Tensor& m, const Tensor& r, int64_t n, int64_t count) {
  const bool wants_weight = grad_weight.defined(), wants_bias = grad_bias.defined();
  const int64_t grain = std::max<int64_t>(row_grain(n), (count + 15) / 16);
  const int64_t tasks = (count + grain - 1) / grain;
  const int64_t sizes[] = {tasks, 2, n};
  const Tensor sums = empty(sizes, {g.dtype(), g.device()});
  fill(sums, 0);
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    T* const own = sums.data<T>() + begin / grain * 2 * n;
    for (int64_t i = begin; i < end; ++i)
      rows<T>().layer_norm_affine(wants_weight ? own : nullptr, wants_bias ? own + n : nullptr,
                                  g.data<T>() + i * n, x.data<T>() + i * n, m.data<T>()[i],
                                  r.data<T>()[i], n);
  });
  for (int64_t t = 1; t < tasks; ++t)
    rows<T>().accumulate(sums.data<T>(), sums.data<T>() + t * 2 * n, 2 * n);
  const auto part = [&](const Tensor& out, int64_t offset) {
    copy(out, Tensor::alias(sums, out.sizes(), contiguous_strides(out.sizes()), offset));
  };
  if (wants_weight) part(grad_weight, 0);
  if (wants_bias) part(grad_bias, n);
}

}  // namespace

void layer_norm_backward(const Tensor& grad_input, const Tensor& grad_weight,
                         const Tensor& grad_bias, const Tensor& grad, const Tensor& input,
                         IntSpan normalized_shape, const Tensor& mean, const Tensor& rstd,
                         const Tensor& weight, const Tensor&, std::span<const bool> mask) {
  const int64_t n = count(normalized_shape);
  if (input.numel() == 0) {
    if (mask[1]) fill(grad_weight, 0);
    if (mask[2]) fill(grad_bias, 0);
    return;
  }
  const DType dtype = compute_dtype(input.dtype());
  const Tensor g = packed(grad, dtype), x = packed(input, dtype), w = packed(weight, dtype);
  const Tensor m = packed(mean, dtype), r = packed(rstd, dtype);
  const int64_t rows_n = x.numel() / n;
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    if (mask[0]) {
      const Tensor dx = place_for(grad_input, dtype);
      const T* const wp = w.defined() ? w.data<T>() : nullptr;
      parallel_for(rows_n, row_grain(n), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          rows<T>().layer_norm_backward(dx.data<T>() + i * n, g.data<T>() + i * n,
                                        x.data<T>() + i * n, wp, m.data<T>()[i], r.data<T>()[i], n);
      });
      deliver(grad_input, dx);
    }
    if (mask[1] || mask[2])
      affine_gradients<T>(mask[1] ? grad_weight : Tensor(), mask[2] ? grad_bias : Tensor(), g, x, m,
                          r, n, rows_n);
  });
}

}  // namespace flambeau::inline v1::cpu
