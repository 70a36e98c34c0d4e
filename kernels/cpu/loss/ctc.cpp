// Note [Alignments]
// Between the labels of a target stand blanks: there are 2 S + 1 states. alpha[t][s] is the
// logarithm of the sum over all ways to be in state s at step t, of the product of what the steps
// up to t gave; beta[t][s] the same of the steps from t on. A way goes on in its state, in the
// next one, or past a blank between two labels that differ.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/loss/loss.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

template <class T>
constexpr T kNever = -std::numeric_limits<T>::infinity();

template <class T>
T joined(T a, T b, T c) {
  const T most = std::max({a, b, c});
  if (most == kNever<T>) return most;
  return std::log(std::exp(a - most) + std::exp(b - most) + std::exp(c - most)) + most;
}

// One item: the label of each state, and the scores.
template <class T>
struct Item {
  const T* scores;
  int64_t step;  // from one time to the next
  const int64_t* labels;
  int64_t steps, states, blank;
  int64_t label(int64_t s) const { return s % 2 ? labels[s / 2] : blank; }
  T score(int64_t t, int64_t s) const { return scores[t * step + label(s)]; }
  bool may_skip_to(int64_t s) const { return s > 1 && s % 2 && label(s) != label(s - 2); }
};

// Fills rows of `width` numbers, and gives the likelihood's logarithm.
template <class T>
T forward(const Item<T>& item, T* alpha, int64_t steps, int64_t width) {
  std::fill(alpha, alpha + steps * width, kNever<T>);
  if (item.steps == 0) return item.states == 1 ? T(0) : kNever<T>;
  alpha[0] = item.score(0, 0);
  if (item.states > 1) alpha[1] = item.score(0, 1);
  for (int64_t t = 1; t < item.steps; ++t) {
    const T* const before = alpha + (t - 1) * width;
    T* const now = alpha + t * width;
    for (int64_t s = 0; s < item.states; ++s) {
      const T next = s > 0 ? before[s - 1] : kNever<T>;
      const T skipped = item.may_skip_to(s) ? before[s - 2] : kNever<T>;
      now[s] = joined(before[s], next, skipped) + item.score(t, s);
    }
  }
  const T* const last = alpha + (item.steps - 1) * width;
  const T end = item.states > 1 ? last[item.states - 2] : kNever<T>;
  return joined(last[item.states - 1], end, kNever<T>);
}

// What is the same for both passes: labels in memory of their own, and where each item's begin.
struct Labels {
  Tensor all;
  std::vector<int64_t> starts;
};

Labels labels_of(const Tensor& targets, IntSpan lengths, int64_t classes) {
  Labels made{empty(targets.sizes(), {DType::int64}), {}};
  copy(made.all, targets);
  int64_t at = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (targets.dim() == 2) at = static_cast<int64_t>(i) * targets.sizes()[1];
    made.starts.push_back(at);
    for (int64_t k = 0; k < lengths[i]; ++k) {
      const int64_t c = made.all.data<int64_t>()[at + k];
      check(c >= 0 && c < classes, "ctc_loss: target ", c, " is not one of ", classes, " classes");
    }
    at += lengths[i];
  }
  return made;
}

Tensor packed(const Tensor& t) {
  if (t.is_contiguous()) return t;
  const Tensor p = empty(t.sizes(), t.options());
  copy(p, t);
  return p;
}

template <class T>
Item<T> item_of(const Tensor& scores, const Labels& labels, IntSpan steps, IntSpan lengths,
                int64_t i, int64_t blank) {
  const int64_t items = scores.sizes()[1], classes = scores.sizes()[2];
  return {scores.data<T>() + i * classes,
          items * classes,
          labels.all.data<int64_t>() + labels.starts[i],
          steps[i],
          2 * lengths[i] + 1,
          blank};
}

template <class F>
void by_type(DType dtype, F&& f) {
  if (dtype == DType::float64)
    f(double{});
  else
    f(float{});
}

}  // namespace

void ctc_loss(const Tensor& losses, const Tensor& log_alpha, const Tensor& log_probs,
              const Tensor& targets, IntSpan input_lengths, IntSpan target_lengths, int64_t blank) {
  const Tensor scores = packed(log_probs);
  const Labels labels = labels_of(targets, target_lengths, scores.sizes()[2]);
  const int64_t steps = scores.sizes()[0], width = log_alpha.sizes()[2];
  by_type(scores.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(scores.sizes()[1], 1, [&](int64_t i, int64_t) {
      const Item<T> item = item_of<T>(scores, labels, input_lengths, target_lengths, i, blank);
      losses.data<T>()[i] = -forward(item, log_alpha.data<T>() + i * steps * width, steps, width);
    });
  });
}

void ctc_loss_backward(const Tensor& out, const Tensor& grad, const Tensor& log_probs,
                       const Tensor& targets, IntSpan input_lengths, IntSpan target_lengths,
                       const Tensor& losses, const Tensor& log_alpha, int64_t blank,
                       bool zero_infinity) {
  const Tensor scores = packed(log_probs), g = packed(grad), loss = packed(losses);
  const Tensor alphas = packed(log_alpha);
  const Labels labels = labels_of(targets, target_lengths, scores.sizes()[2]);
  const int64_t steps = scores.sizes()[0], items = scores.sizes()[1], classes = scores.sizes()[2];
  const int64_t width = alphas.sizes().back();
  const Tensor made = out.is_contiguous() ? out : empty(out.sizes(), out.options());
  fill(made, 0);
  by_type(scores.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(items, 1, [&](int64_t i, int64_t) {
      const T nll = loss.data<T>()[i];
      if (zero_infinity && nll == -kNever<T>) return;
      const Item<T> item = item_of<T>(scores, labels, input_lengths, target_lengths, i, blank);
      const T* const alpha = alphas.data<T>() + i * steps * width;
      std::vector<T> beta(item.states, kNever<T>), later(item.states);
      std::vector<T> sums(classes);
      for (int64_t t = item.steps; t-- > 0;) {
        std::swap(beta, later);
        for (int64_t s = 0; s < item.states; ++s) {
          T reached = kNever<T>;
          if (t + 1 == item.steps) {
            reached = s + 2 >= item.states ? T(0) : kNever<T>;
          } else {
            const T next = s + 1 < item.states ? later[s + 1] : kNever<T>;
            const bool skips = s + 2 < item.states && item.may_skip_to(s + 2);
            reached = joined(later[s], next, skips ? later[s + 2] : kNever<T>);
          }
          beta[s] = reached + item.score(t, s);
        }
        std::fill(sums.begin(), sums.end(), kNever<T>);
        for (int64_t s = 0; s < item.states; ++s) {
          T& sum = sums[item.label(s)];
          sum = joined(sum, alpha[t * width + s] + beta[s], kNever<T>);
        }
        T* const to = made.data<T>() + (t * items + i) * classes;
        const T* const own = scores.data<T>() + (t * items + i) * classes;
        for (int64_t c = 0; c < classes; ++c)
          to[c] = (std::exp(own[c]) - std::exp(sums[c] + nll - own[c])) * g.data<T>()[i];
      }
    });
  });
  if (!made.is(out)) copy(out, made);
}

}  // namespace flambeau::inline v1::cpu
