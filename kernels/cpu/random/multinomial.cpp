#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/cpu/random/random.h"
#include "kernels/cpu/random/store.h"
#include "kernels/cpu/random/stream.h"

namespace flambeau::inline v1 {
namespace {

template <class T>
void check_weight(T weight) {
  check(weight >= 0,
        "multinomial: invalid multinomial distribution (encountering probability entry < 0)");
  check(std::isfinite(weight),
        "multinomial: invalid multinomial distribution (encountering probability entry = infinity "
        "or NaN)");
}

template <class T>
void check_sum(T sum) {
  check(sum > 0, "multinomial: invalid multinomial distribution (sum of probabilities <= 0)");
}

// The running sums of a row, the last of them 1. T is the weights' own type, or float for shorter
// ones, and the order of the sum is fixed: the numbers depend on both.
template <class Stored, class T>
void accumulate(const typename Stored::type* weights, std::vector<T>& sums) {
  T sum = 0;
  for (size_t i = 0; i < sums.size(); ++i) {
    const T weight = Stored::value(weights[i]);
    check_weight(weight);
    sum += weight;
    sums[i] = sum;
  }
  check_sum(sum);
  for (T& each : sums) each /= sum;
  sums.back() = 1;
}

template <class T>
struct Candidate {
  T value;
  int64_t index;
};

// The order of topk and argmax: the largest first, NaN before all.
template <class T>
bool precedes(const Candidate<T>& a, const Candidate<T>& b) {
  return (a.value != a.value && b.value == b.value) || a.value > b.value;
}

// Leaves the `count` first in front, in order. Equal values come out as they do in PyTorch, which
// uses the same algorithms of the standard library.
template <class T>
void keep_first(std::vector<Candidate<T>>& all, int64_t count) {
  const auto begin = all.begin();
  if (count == 1) {
    std::iter_swap(begin, std::min_element(begin, all.end(), precedes<T>));
  } else if (count * 64 <= static_cast<int64_t>(all.size())) {
    std::partial_sort(begin, begin + count, all.end(), precedes<T>);
  } else {
    std::nth_element(begin, begin + count - 1, all.end(), precedes<T>);
    std::sort(begin, begin + count - 1, precedes<T>);
  }
}

}  // namespace

void multinomial_with_replacement(Generator& generator, DType dtype, const void* weights,
                                  int64_t rows, int64_t categories, int64_t samples, int64_t* dst) {
  visit_floating("multinomial", dtype, [&](auto stored) {
    using Stored = decltype(stored);
    using T = decltype(Stored::value({}));
    const auto* row = static_cast<const typename Stored::type*>(weights);
    std::vector<T> sums(static_cast<size_t>(categories));
    for (int64_t r = 0; r < rows; ++r, row += categories, dst += samples) {
      accumulate<Stored>(row, sums);
      stream<2>(generator, samples, [&](const uint32_t* words, int64_t begin, int64_t count) {
        for (int64_t i = 0; i < count; ++i) {
          const double u = unit_double(words + 2 * i);
          // The least u belongs to the first category that has a weight.
          const auto found = u > 0 ? std::lower_bound(sums.begin(), sums.end(), u)
                                   : std::upper_bound(sums.begin(), sums.end(), u);
          dst[begin + i] = found - sums.begin();
        }
      });
    }
  });
}

// The largest of weight / q, with q distributed exponentially, is each category's with its
// probability, and the following ones are the draws after it.
void multinomial_without_replacement(Generator& generator, DType dtype, const void* weights,
                                     int64_t rows, int64_t categories, int64_t samples,
                                     int64_t* dst) {
  visit_floating("multinomial", dtype, [&](auto stored) {
    using Stored = decltype(stored);
    using T = decltype(Stored::value({}));
    const auto* row = static_cast<const typename Stored::type*>(weights);
    for (int64_t i = 0; i < rows * categories; ++i) check_weight(Stored::value(row[i]));
    std::vector<typename Stored::type> q(static_cast<size_t>(rows * categories));
    fill_exponential(generator, dtype, q.data(), rows * categories, 1);
    std::vector<Candidate<T>> candidates(static_cast<size_t>(categories));
    for (int64_t r = 0; r < rows; ++r, row += categories, dst += samples) {
      T sum = 0;
      for (int64_t i = 0; i < categories; ++i) {
        const T weight = Stored::value(row[i]);
        sum += weight;
        const auto ratio = Stored::of(weight / Stored::value(q[r * categories + i]));
        const T value = Stored::value(ratio);
        // A quotient that rounds to 0 is still before those of weight 0.
        const bool lost = value == 0 && weight > 0;
        candidates[i] = {lost ? std::numeric_limits<T>::denorm_min() : value, i};
      }
      check_sum(sum);
      keep_first(candidates, samples);
      for (int64_t i = 0; i < samples; ++i) dst[i] = candidates[i].index;
    }
  });
}

}  // namespace flambeau::inline v1
