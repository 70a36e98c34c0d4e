// Draws from distributions whose parameters are tensors, element by element in their order.

#include "kernels/cpu/random/samplers.h"

#include <vector>

#include "core/parallel/parallel.h"
#include "flambeau/kernels/random.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/cpu/random/implicit.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kGrain = 256;  // elements, each of some hundred operations

Generator& pick(Generator* g) { return g ? *g : default_generator(); }

// `t` laid out by rows in `sizes`, to which it broadcasts.
Tensor laid_out(const Tensor& t, IntSpan sizes, DType dtype) {
  TensorOptions options = t.options();
  options.dtype = dtype;
  Tensor rows = flambeau::empty(sizes, options);
  if (rows.numel() > 0) cpu::copy(rows, t);
  return rows;
}

// draw(generator, dst, n) fills rows for `result`.
template <class F>
void draw_rows(const Tensor& result, Generator* generator, const F& draw) {
  if (result.numel() == 0) return;
  const Tensor rows =
      result.is_contiguous() ? result : flambeau::empty(result.sizes(), result.options());
  {
    Generator& g = pick(generator);
    const std::lock_guard lock(g.mutex);
    draw(g, rows.bytes(), rows.numel());
  }
  if (!rows.is(result)) cpu::copy(result, rows);
}

// slope(parameters...) of each element, in double.
template <class T, size_t n, class F>
void each_slope(const Tensor& out, const Tensor (&given)[n], const F& slope) {
  const T* from[n];
  for (size_t k = 0; k < n; ++k) from[k] = given[k].template data<T>();
  T* const dst = out.data<T>();
  parallel_for(out.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if constexpr (n == 2) {
        dst[i] = static_cast<T>(slope(from[0][i], from[1][i]));
      } else {
        dst[i] = static_cast<T>(slope(from[0][i], from[1][i], from[2][i]));
      }
    }
  });
}

template <size_t n, class F>
void slopes(const Tensor& result, const Tensor* const (&given)[n], const F& slope) {
  if (result.numel() == 0) return;
  const DType dtype = result.dtype() == DType::float64 ? DType::float64 : DType::float32;
  Tensor rows[n];
  for (size_t k = 0; k < n; ++k) rows[k] = laid_out(*given[k], result.sizes(), dtype);
  TensorOptions options = result.options();
  options.dtype = dtype;
  const Tensor out = flambeau::empty(result.sizes(), options);
  if (dtype == DType::float64) {
    each_slope<double>(out, rows, slope);
  } else {
    each_slope<float>(out, rows, slope);
  }
  cpu::copy(result, out);
}

}  // namespace

void _standard_gamma(const Tensor& result, const Tensor& self, Generator* generator) {
  const Tensor shapes = laid_out(self, result.sizes(), result.dtype());
  draw_rows(result, generator, [&](Generator& g, void* dst, int64_t n) {
    draw_gamma(g, result.dtype(), dst, shapes.bytes(), n);
  });
}

void _sample_dirichlet(const Tensor& result, const Tensor& self, Generator* generator) {
  const Tensor shapes = laid_out(self, result.sizes(), result.dtype());
  const int64_t row = result.dim() == 0 ? 1 : result.sizes().back();
  draw_rows(result, generator, [&](Generator& g, void* dst, int64_t n) {
    draw_dirichlet(g, result.dtype(), dst, shapes.bytes(), n / row, row);
  });
}

void poisson(const Tensor& result, const Tensor& self, Generator* generator) {
  const Tensor rates = laid_out(self, result.sizes(), result.dtype());
  draw_rows(result, generator, [&](Generator& g, void* dst, int64_t n) {
    draw_poisson(g, result.dtype(), dst, rates.bytes(), n);
  });
}

void binomial(const Tensor& result, const Tensor& count, const Tensor& prob, Generator* generator) {
  const Tensor counts = laid_out(count, result.sizes(), result.dtype());
  const Tensor probs = laid_out(prob, result.sizes(), result.dtype());
  draw_rows(result, generator, [&](Generator& g, void* dst, int64_t n) {
    draw_binomial(g, result.dtype(), dst, counts.bytes(), probs.bytes(), n);
  });
}

void _standard_gamma_grad(const Tensor& result, const Tensor& self, const Tensor& output) {
  slopes<2>(result, {&self, &output}, gamma_slope);
}

void _dirichlet_grad(const Tensor& result, const Tensor& x, const Tensor& alpha,
                     const Tensor& total) {
  slopes<3>(result, {&x, &alpha, &total}, dirichlet_slope);
}

}  // namespace flambeau::inline v1::cpu
