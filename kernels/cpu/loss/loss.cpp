#include "kernels/cpu/loss/loss.h"

#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/shape/loss.h"

namespace flambeau::inline v1::cpu {
namespace {

using shape::kMean;
using shape::kNone;

constexpr int64_t kGrain = 16384;

// `t` broadcast to `sizes` and packed as `dtype`; itself when it is that.
Tensor packed(const Tensor& t, IntSpan sizes, DType dtype) {
  if (same(t.sizes(), sizes) && t.is_contiguous() && t.dtype() == dtype) return t;
  const Tensor p = empty(sizes, {dtype, t.device()});
  copy(p, t);
  return p;
}

DType compute_dtype(DType dtype) { return dtype == DType::float64 ? dtype : DType::float32; }

template <class F>
void by_type(DType dtype, F&& f) {
  if (dtype == DType::float64)
    f(double{});
  else
    f(float{});
}

// The sum of term(i): lanes within a task, doubles over tasks in order.
template <class F>
double sum_of(int64_t n, F&& term) {
  constexpr int kLanes = 16;
  std::vector<double> parts((n + kGrain - 1) / kGrain);
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    double lanes[kLanes] = {};
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes)
      for (int j = 0; j < kLanes; ++j) lanes[j] += term(i + j);
    for (int j = 0; i + j < end; ++j) lanes[j] += term(i + j);
    for (int width = kLanes / 2; width > 0; width /= 2)
      for (int j = 0; j < width; ++j) lanes[j] += lanes[j + width];
    parts[begin / kGrain] = lanes[0];
  });
  double total = 0;
  for (const double p : parts) total += p;
  return total;
}

}  // namespace

void mse_loss(const Tensor& out, const Tensor& self, const Tensor& target, int64_t reduction) {
  const DType dtype = compute_dtype(out.dtype());
  const Dims shape = broadcast(self.sizes(), target.sizes(), "mse_loss");
  const Tensor a = packed(self, shape, dtype), b = packed(target, shape, dtype);
  const int64_t n = a.numel();
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T *x = a.data<T>(), *y = b.data<T>();
    if (reduction == kNone) {
      const Tensor made = out.dtype() == dtype ? out : empty(shape, {dtype, out.device()});
      T* const d = made.data<T>();
      parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) d[i] = (x[i] - y[i]) * (x[i] - y[i]);
      });
      if (!made.is(out)) copy(out, made);
      return;
    }
    const double sum = sum_of(n, [=](int64_t i) {
      const T d = x[i] - y[i];
      return static_cast<double>(d * d);
    });
    Scalar(reduction == kMean ? sum / static_cast<double>(n) : sum).store(out.bytes(), out.dtype());
  });
}

void mse_loss_backward(const Tensor& out, const Tensor& grad, const Tensor& self,
                       const Tensor& target, int64_t reduction) {
  const DType dtype = compute_dtype(out.dtype());
  const IntSpan shape = out.sizes();
  const Tensor a = packed(self, shape, dtype), b = packed(target, shape, dtype);
  const bool one = grad.numel() == 1;
  const Tensor g = one ? grad : packed(grad, shape, dtype);
  const int64_t n = out.numel();
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T *x = a.data<T>(), *y = b.data<T>();
    const Tensor made = out.dtype() == dtype ? out : empty(shape, {dtype, out.device()});
    T* const d = made.data<T>();
    const T scale = static_cast<T>(reduction == kMean ? 2.0 / static_cast<double>(n) : 2.0);
    const T single = one ? static_cast<T>(scale * grad.value().to_double()) : T(0);
    const T* const gp = one ? nullptr : g.data<T>();
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
      if (one)
        for (int64_t i = begin; i < end; ++i) d[i] = single * (x[i] - y[i]);
      else
        for (int64_t i = begin; i < end; ++i) d[i] = scale * gp[i] * (x[i] - y[i]);
    });
    if (!made.is(out)) copy(out, made);
  });
}

namespace {

// Scores as (batch, classes, inner), targets as (batch, inner).
struct Layout3 {
  int64_t batch, classes, inner;
};

// Scores without a batch may come with a list of targets: the first one counts, as in PyTorch.
Layout3 layout(const Tensor& self, const Tensor& target) {
  if (self.dim() == 1) return {target.numel() > 0, self.sizes()[0], 1};
  int64_t inner = 1;
  for (int64_t d = 2; d < self.dim(); ++d) inner *= self.sizes()[d];
  return {self.sizes()[0], self.sizes()[1], inner};
}

// Before anything is written.
void check_targets(const int64_t* targets, int64_t n, int64_t classes, int64_t ignore_index) {
  int64_t outside = 0;
  for (int64_t i = 0; i < n; ++i)
    outside |=
        static_cast<int64_t>(static_cast<uint64_t>(targets[i]) >= static_cast<uint64_t>(classes));
  if (!outside) return;
  for (int64_t i = 0; i < n; ++i)
    check<IndexError>((targets[i] >= 0 && targets[i] < classes) || targets[i] == ignore_index,
                      "nll_loss: Target ", targets[i], " is out of bounds for ", classes,
                      " classes");
}

void forward(const Tensor& out, const Tensor& total_weight, const Tensor& self,
             const Tensor& target, const Tensor& weight, int64_t reduction, int64_t ignore_index) {
  const DType dtype = compute_dtype(self.dtype());
  const auto [batch, classes, inner] = layout(self, target);
  const Tensor x = packed(self, self.sizes(), dtype);
  const Tensor t = packed(target, target.sizes(), DType::int64);
  const Tensor w = weight.defined() ? packed(weight, weight.sizes(), dtype) : weight;
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const xp = x.data<T>();
    const int64_t* const tp = t.data<int64_t>();
    const T* const wp = w.defined() ? w.data<T>() : nullptr;
    check_targets(tp, batch * inner, classes, ignore_index);
    const Tensor each = reduction == kNone ? empty(out.sizes(), {dtype, out.device()}) : Tensor();
    if (each.defined()) fill(each, 0);
    double sum = 0, total = 0;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < inner; ++i) {
        const int64_t at = b * inner + i;
        T loss = 0;
        if (tp[at] != ignore_index) {
          const int64_t c = tp[at];
          const T scale = wp ? wp[c] : T(1);
          loss = -xp[(b * classes + c) * inner + i] * scale;
          total += scale;
        }
        sum += loss;
        if (each.defined()) each.data<T>()[at] = loss;
      }
    }
    if (reduction == kNone) {
      copy(out, each);
      Scalar(0.0).store(total_weight.bytes(), total_weight.dtype());
      return;
    }
    Scalar(reduction == kMean ? sum / total : sum).store(out.bytes(), out.dtype());
    Scalar(total).store(total_weight.bytes(), total_weight.dtype());
  });
}

void backward(const Tensor& out, const Tensor& grad, const Tensor& self, const Tensor& target,
              const Tensor& weight, int64_t reduction, int64_t ignore_index,
              const Tensor& total_weight) {
  const DType dtype = compute_dtype(self.dtype());
  const auto [batch, classes, inner] = layout(self, target);
  const Tensor t = packed(target, target.sizes(), DType::int64);
  const Tensor w = weight.defined() ? packed(weight, weight.sizes(), dtype) : weight;
  const Tensor g = packed(grad, grad.sizes(), dtype);
  check_targets(t.data<int64_t>(), batch * inner, classes, ignore_index);
  const Tensor made = out.dtype() == dtype ? out : empty(out.sizes(), {dtype, out.device()});
  fill(made, 0);
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t* const tp = t.data<int64_t>();
    const T* const wp = w.defined() ? w.data<T>() : nullptr;
    const T* const gp = g.data<T>();
    const T mean = reduction == kMean ? static_cast<T>(1 / total_weight.value().to_double()) : T(1);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < inner; ++i) {
        const int64_t at = b * inner + i;
        if (tp[at] == ignore_index) continue;
        const int64_t c = tp[at];
        const T own = reduction == kNone ? gp[at] : gp[0] * mean;
        made.data<T>()[(b * classes + c) * inner + i] = -own * (wp ? wp[c] : T(1));
      }
    }
  });
  if (!made.is(out)) copy(out, made);
}

}  // namespace

void nll_loss(const Tensor& out, const Tensor& total_weight, const Tensor& self,
              const Tensor& target, const Tensor& weight, int64_t reduction, int64_t ignore_index) {
  forward(out, total_weight, self, target, weight, reduction, ignore_index);
}
void nll_loss_backward(const Tensor& out, const Tensor& grad, const Tensor& self,
                       const Tensor& target, const Tensor& weight, int64_t reduction,
                       int64_t ignore_index, const Tensor& total_weight) {
  backward(out, grad, self, target, weight, reduction, ignore_index, total_weight);
}
void nll_loss2d(const Tensor& out, const Tensor& total_weight, const Tensor& self,
                const Tensor& target, const Tensor& weight, int64_t reduction,
                int64_t ignore_index) {
  forward(out, total_weight, self, target, weight, reduction, ignore_index);
}
void nll_loss2d_backward(const Tensor& out, const Tensor& grad, const Tensor& self,
                         const Tensor& target, const Tensor& weight, int64_t reduction,
                         int64_t ignore_index, const Tensor& total_weight) {
  backward(out, grad, self, target, weight, reduction, ignore_index, total_weight);
}

}  // namespace flambeau::inline v1::cpu
