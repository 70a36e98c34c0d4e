// Margins between the scores of an item's classes and those of all others.

#include <algorithm>
#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/loss/loss.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/shape/loss.h"

namespace flambeau::inline v1::cpu {
namespace {

using shape::kMean;
using shape::kNone;

Tensor as_double(const Tensor& t) {
  const Tensor p = empty(t.sizes(), {DType::float64});
  copy(p, t);
  return p;
}

// Rows of scores in double, and of targets.
struct Items {
  Tensor scores, targets;
  int64_t count, classes;
  const double* score(int64_t i) const { return scores.data<double>() + i * classes; }
  const int64_t* classes_of(int64_t i) const { return targets.data<int64_t>() + i * classes; }
  // How many classes an item has, and where they are.
  int64_t mark(int64_t i, std::vector<char>& there) const {
    there.assign(static_cast<size_t>(classes), 0);
    const int64_t* const own = classes_of(i);
    int64_t n = 0;
    while (n < classes && own[n] >= 0) there[own[n++]] = 1;
    return n;
  }
};

Items items(const Tensor& self, const Tensor& target) {
  Items made{as_double(self), empty(target.sizes(), {DType::int64}), 1,
             self.dim() > 0 ? self.sizes().back() : 1};
  if (self.dim() == 2) made.count = self.sizes()[0];
  copy(made.targets, target);
  const int64_t* const all = made.targets.data<int64_t>();
  for (int64_t i = 0; i < made.count; ++i)
    for (int64_t k = 0; k < made.classes; ++k) {
      const int64_t c = all[i * made.classes + k];
      if (c == -1) break;
      check(c >= 0 && c < made.classes, "multilabel_margin_loss: argument #2 'target' is out of ",
            "range: class ", c, " of ", made.classes);
    }
  return made;
}

constexpr int64_t kGrain = 8;  // items of a task

}  // namespace

void multilabel_margin(const Tensor& out, const Tensor& is_target, const Tensor& self,
                       const Tensor& target, int64_t reduction) {
  const Items all = items(self, target);
  const Tensor marks = empty(target.sizes(), {DType::float64});
  const Tensor losses = empty({{all.count}}, {DType::float64});
  parallel_for(all.count, kGrain, [&](int64_t begin, int64_t end) {
    std::vector<char> there;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = all.mark(i, there);
      const double* const x = all.score(i);
      double sum = 0;
      for (int64_t k = 0; k < n; ++k) {
        const double own = 1 - x[all.classes_of(i)[k]];
        for (int64_t c = 0; c < all.classes; ++c)
          if (!there[c] && own + x[c] > 0) sum += own + x[c];
      }
      losses.data<double>()[i] = sum / static_cast<double>(all.classes);
      for (int64_t c = 0; c < all.classes; ++c)
        marks.data<double>()[i * all.classes + c] = there[c];
    }
  });
  copy(is_target, marks);
  if (reduction == kNone) return copy(out, Tensor::alias(losses, out.sizes(), out.strides(), 0));
  double total = 0;
  for (int64_t i = 0; i < all.count; ++i) total += losses.data<double>()[i];
  Scalar(reduction == kMean ? total / static_cast<double>(all.count) : total)
      .store(out.bytes(), out.dtype());
}

void multilabel_margin_backward(const Tensor& out, const Tensor& grad, const Tensor& self,
                                const Tensor& target, int64_t reduction) {
  const Items all = items(self, target);
  const Tensor g = as_double(grad), made = empty(self.sizes(), {DType::float64});
  const double scale = 1 / static_cast<double>(all.classes) /
                       (reduction == kMean ? static_cast<double>(all.count) : 1.0);
  const bool each = grad.numel() > 1;
  parallel_for(all.count, kGrain, [&](int64_t begin, int64_t end) {
    std::vector<char> there;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = all.mark(i, there);
      const double* const x = all.score(i);
      double* const to = made.data<double>() + i * all.classes;
      std::fill(to, to + all.classes, 0.0);
      const double one = scale * g.data<double>()[each ? i : 0];
      for (int64_t k = 0; k < n; ++k) {
        const int64_t own = all.classes_of(i)[k];
        for (int64_t c = 0; c < all.classes; ++c)
          if (!there[c] && 1 - x[own] + x[c] > 0) {
            to[c] += one;
            to[own] -= one;
          }
      }
    }
  });
  copy(out, made);
}

}  // namespace flambeau::inline v1::cpu
