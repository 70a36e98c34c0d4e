// Rows of a table, added up or compared bag by bag.

#include <algorithm>
#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/index/index.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/math/cast.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements that a task reads, about

Tensor packed(const Tensor& t, DType dtype) {
  if (!t.defined() || (t.is_contiguous() && t.dtype() == dtype)) return t;
  const Tensor p = empty(t.sizes(), {dtype});
  copy(p, t);
  return p;
}

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

}  // namespace

void embedding_bag(const Tensor& result, const Tensor& bag_of, const Tensor& sizes,
                   const Tensor& places, const Tensor& weight, const Tensor& indices,
                   const Tensor& offsets, int64_t mode, const Tensor& factors,
                   int64_t padding_idx) {
  const Tensor rows = packed(indices, DType::int64), starts = packed(offsets, DType::int64);
  const int64_t n = rows.numel(), bags = result.sizes()[0], width = result.sizes()[1];
  const int64_t* const row = rows.data<int64_t>();
  const int64_t* const start = starts.data<int64_t>();
  const int64_t table = weight.sizes()[0];
  for (int64_t i = 0; i < n; ++i)
    check(row[i] >= 0 && row[i] < table, "embedding_bag: Expected idx >= 0 && idx < ",
          "num_embeddings but found idx to be ", row[i], " of ", table, " rows");
  const int64_t given = starts.numel();
  check(given == 0 || start[0] == 0,
        "embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to "
        "start from position 0. However, got ",
        given ? start[0] : 0);
  for (int64_t b = 0; b < given; ++b)
    check(start[b] <= n && (b == 0 || start[b - 1] <= start[b]), "embedding_bag: offsets rise and ",
          "offsets[-1] can not be greater than input's length, ", n, ", but got ", start[b]);
  check(given == bags || start[given - 1] == n, "embedding_bag: with include_last_offset the last ",
        "offset has to be the number of indices, ", n, ", but got ", start[given - 1]);
  const auto end_of = [&](int64_t b) { return b + 1 < given ? start[b + 1] : n; };
  std::fill_n(bag_of.data<int64_t>(), n, std::max<int64_t>(bags - 1, 0));
  const bool most = mode == 2;
  by_type(weight.dtype(), [&](auto stored, auto computed) {
    using S = decltype(stored);
    using T = decltype(computed);
    const Tensor source = packed(weight, weight.dtype());
    const Tensor scales = packed(factors, sizeof(T) == 8 ? DType::float64 : DType::float32);
    const S* const values = reinterpret_cast<const S*>(source.bytes());
    S* const out = reinterpret_cast<S*>(result.bytes());
    const int64_t each = std::max<int64_t>(1, width * std::max<int64_t>(1, n / (bags + 1)));
    parallel_for(bags, std::max<int64_t>(1, kGrain / each), [&](int64_t first, int64_t last) {
      std::vector<T> sums(width);
      for (int64_t b = first; b < last; ++b) {
        std::fill(sums.begin(), sums.end(), T(0));
        int64_t* const from = most ? places.data<int64_t>() + b * width : nullptr;
        if (most) std::fill_n(from, width, int64_t{-1});
        int64_t count = 0;
        for (int64_t i = start[b]; i < end_of(b); ++i) {
          bag_of.data<int64_t>()[i] = b;
          if (row[i] == padding_idx) continue;
          const S* const x = values + row[i] * width;
          if (most) {
            for (int64_t k = 0; k < width; ++k) {
              const T v = math::cast<T>(x[k]);
              if (count == 0 || v > sums[k]) {
                sums[k] = v;
                from[k] = row[i];
              }
            }
          } else if (scales.defined()) {
            const T scale = scales.data<T>()[i];
            for (int64_t k = 0; k < width; ++k) sums[k] += scale * math::cast<T>(x[k]);
          } else {
            for (int64_t k = 0; k < width; ++k) sums[k] += math::cast<T>(x[k]);
          }
          ++count;
        }
        sizes.data<int64_t>()[b] = count;
        if (mode == 1 && count > 0)
          for (int64_t k = 0; k < width; ++k) sums[k] /= static_cast<T>(count);
        for (int64_t k = 0; k < width; ++k) out[b * width + k] = math::cast<S>(sums[k]);
      }
    });
  });
}

}  // namespace flambeau::inline v1::cpu
