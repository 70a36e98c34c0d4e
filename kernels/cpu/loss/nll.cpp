#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/loss/loss.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/math/cast.h"
#include "kernels/shape/loss.h"

namespace flambeau::inline v1::cpu {
namespace {

using shape::kMean;
using shape::kNone;

constexpr int64_t kGrain = 16384;  // targets of a task

// Calls f with a value of the dtype's type, and one of the type that it is computed in.
template <class F>
void by_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float64:
      return f(double{}, double{});
    case DType::float16:
      return f(math::float16{}, float{});
    case DType::bfloat16:
      return f(math::bfloat16{}, float{});
    default:
      return f(float{}, float{});
  }
}

// `t` packed as `dtype`; itself when it is that.
Tensor packed(const Tensor& t, DType dtype) {
  if (!t.defined() || (t.is_contiguous() && t.dtype() == dtype)) return t;
  const Tensor p = empty(t.sizes(), {dtype, t.device()});
  copy(p, t);
  return p;
}

// Scores as (batch, classes, inner), targets as (batch, inner).
struct Layout3 {
  int64_t batch, classes, inner;
  int64_t steps[3];  // in elements of the scores
  int64_t targets() const { return batch * inner; }
  // Calls f(i, where the score of target i's class is, that class) for what is not ignored. Targets
  // were checked before, but another thread may have changed them since: no class beyond the last
  // is met.
  template <class F>
  void for_targets(const int64_t* targets, int64_t begin, int64_t end, int64_t ignore_index,
                   F&& f) const {
    int64_t b = begin / inner, within = begin % inner;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t c = targets[i];
      const bool there = static_cast<uint64_t>(c) < static_cast<uint64_t>(classes);
      if (c != ignore_index && there) f(i, b * steps[0] + c * steps[1] + within * steps[2], c);
      if (++within < inner) continue;
      within = 0;
      ++b;
    }
  }
};

// Whether the dimensions behind the classes can be walked as one.
bool inner_is_one(const Tensor& t) {
  for (int64_t d = 2; d + 1 < t.dim(); ++d)
    if (t.strides()[d] != t.strides()[d + 1] * t.sizes()[d + 1]) return false;
  return true;
}

// Scores without a batch may come with a list of targets: the first one counts, as in PyTorch.
Layout3 layout(const Tensor& self, const Tensor& target) {
  if (self.dim() == 1) return {target.numel() > 0, self.sizes()[0], 1, {0, self.strides()[0], 0}};
  int64_t inner = 1;
  for (int64_t d = 2; d < self.dim(); ++d) inner *= self.sizes()[d];
  return {self.sizes()[0],
          self.sizes()[1],
          inner,
          {self.strides()[0], self.strides()[1], self.dim() > 2 ? self.strides().back() : 0}};
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

// Sums of losses and of weights: lanes, so that an addition does not wait for the last one.
struct Sums {
  static constexpr int kLanes = 8;
  double losses[kLanes] = {}, weights[kLanes] = {};
  void join(Sums& other) {
    for (int width = kLanes / 2; width > 0; width /= 2)
      for (int j = 0; j < width; ++j) {
        other.losses[j] += other.losses[j + width];
        other.weights[j] += other.weights[j + width];
      }
    losses[0] += other.losses[0];
    weights[0] += other.weights[0];
  }
};

void forward(const Tensor& out, const Tensor& total_weight, const Tensor& self,
             const Tensor& target, const Tensor& weight, int64_t reduction, int64_t ignore_index) {
  const Tensor x = inner_is_one(self) ? self : packed(self, self.dtype());
  const Layout3 at = layout(x, target);
  const int64_t n = at.targets();
  const Tensor t = packed(target, DType::int64);
  const int64_t* const targets = t.data<int64_t>();
  check_targets(targets, n, at.classes, ignore_index);
  const Tensor each = reduction != kNone || out.is_contiguous()
                          ? out
                          : empty(out.sizes(), {out.dtype(), out.device()});
  by_type(self.dtype(), [&](auto stored, auto computed) {
    using S = decltype(stored);
    using T = decltype(computed);
    const Tensor w = packed(weight, sizeof(T) == 8 ? DType::float64 : DType::float32);
    const S* const scores = reinterpret_cast<const S*>(x.bytes());
    const T* const weights = w.defined() ? w.data<T>() : nullptr;
    S* const losses = reduction == kNone ? reinterpret_cast<S*>(each.bytes()) : nullptr;
    const auto loss = [&](int64_t place, int64_t c) {
      const T own = -math::cast<T>(scores[place]);
      return weights ? own * weights[c] : own;
    };
    if (losses) {
      fill(each, 0);
      parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
        at.for_targets(targets, begin, end, ignore_index, [&](int64_t i, int64_t place, int64_t c) {
          losses[i] = math::cast<S>(loss(place, c));
        });
      });
      Scalar(0.0).store(total_weight.bytes(), total_weight.dtype());
      if (!each.is(out)) copy(out, each);
      return;
    }
    Sums all;
    const auto add = [&](Sums& sums, int64_t begin, int64_t end) {
      at.for_targets(targets, begin, end, ignore_index, [&](int64_t i, int64_t place, int64_t c) {
        const int lane = static_cast<int>(i % Sums::kLanes);
        sums.losses[lane] += static_cast<double>(loss(place, c));
        sums.weights[lane] += weights ? static_cast<double>(weights[c]) : 1.0;
      });
    };
    if (n <= kGrain) {
      Sums sums;
      add(sums, 0, n);
      all.join(sums);
    } else {
      std::vector<Sums> tasks((n + kGrain - 1) / kGrain);
      parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
        Sums sums;
        add(sums, begin, end);
        tasks[begin / kGrain] = sums;
      });
      for (Sums& task : tasks) all.join(task);
    }
    const double sum = all.losses[0], total = all.weights[0];
    Scalar(reduction == kMean ? sum / total : sum).store(out.bytes(), out.dtype());
    Scalar(total).store(total_weight.bytes(), total_weight.dtype());
  });
}

void backward(const Tensor& out, const Tensor& grad, const Tensor& self, const Tensor& target,
              const Tensor& weight, int64_t reduction, int64_t ignore_index,
              const Tensor& total_weight) {
  const Tensor made = inner_is_one(out) ? out : empty(out.sizes(), {out.dtype(), out.device()});
  const Layout3 at = layout(made, target);
  const int64_t n = at.targets();
  const Tensor t = packed(target, DType::int64);
  const int64_t* const targets = t.data<int64_t>();
  check_targets(targets, n, at.classes, ignore_index);
  fill(made, 0);
  by_type(out.dtype(), [&](auto stored, auto computed) {
    using S = decltype(stored);
    using T = decltype(computed);
    const DType dtype = sizeof(T) == 8 ? DType::float64 : DType::float32;
    const Tensor w = packed(weight, dtype), g = packed(grad, dtype);
    const T* const weights = w.defined() ? w.data<T>() : nullptr;
    const T* const grads = g.data<T>();
    S* const to = reinterpret_cast<S*>(made.bytes());
    const T mean = reduction == kMean ? static_cast<T>(1 / total_weight.value().to_double()) : T(1);
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
      at.for_targets(targets, begin, end, ignore_index, [&](int64_t i, int64_t place, int64_t c) {
        const T own = reduction == kNone ? grads[i] : grads[0] * mean;
        to[place] = math::cast<S>(-own * (weights ? weights[c] : T(1)));
      });
    });
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
