#include <atomic>

#include "core/parallel/parallel.h"
#include "core/tensor/checked.h"
#include "kernels/cpu/sparse/sparse.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;

}  // namespace

int64_t flatten_places(const Tensor& flat, const Tensor& indices, IntSpan sizes) {
  const int64_t n = flat.numel();
  count(sizes);  // which must not overflow
  int64_t* const out = flat.data<int64_t>();
  const int64_t* const from = indices.data<int64_t>();
  const int64_t next_dim = indices.dim() ? indices.strides()[0] : 0;
  const int64_t next = indices.dim() ? indices.strides()[1] : 0;
  std::atomic<int64_t> wrong{-1};
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) out[k] = 0;
    for (size_t d = 0; d < sizes.size(); ++d) {
      const int64_t* const line = from + static_cast<int64_t>(d) * next_dim;
      const auto size = static_cast<uint64_t>(sizes[d]);
      bool good = true;
      for (int64_t k = begin; k < end; ++k) {
        const int64_t i = line[k * next];
        good &= static_cast<uint64_t>(i) < size;
        out[k] =
            static_cast<int64_t>(static_cast<uint64_t>(out[k]) * size + static_cast<uint64_t>(i));
      }
      if (!good) wrong.store(static_cast<int64_t>(d), std::memory_order_relaxed);
    }
  });
  return wrong.load(std::memory_order_relaxed);
}

void unflatten_places(const Tensor& indices, const Tensor& flat, IntSpan sizes) {
  const int64_t n = flat.numel();
  const int64_t* const from = flat.data<int64_t>();
  int64_t* const out = indices.data<int64_t>();
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      int64_t rest = from[k];
      for (size_t d = sizes.size(); d-- > 1;) {
        out[static_cast<int64_t>(d) * n + k] = rest % sizes[d];
        rest /= sizes[d];
      }
      if (!sizes.empty()) out[k] = rest;
    }
  });
}

bool grows(const Tensor& flat) {
  const int64_t n = flat.numel();
  const int64_t* const v = flat.data<int64_t>();
  for (int64_t k = 1; k < n; ++k)
    if (v[k] <= v[k - 1]) return false;
  return true;
}

int64_t merge_places(const Tensor& in_a, const Tensor& in_b, const Tensor& a, const Tensor& b) {
  const int64_t n = a.numel(), m = b.numel();
  const int64_t *const x = a.data<int64_t>(), *const y = b.data<int64_t>();
  int64_t *const to_x = in_a.data<int64_t>(), *const to_y = in_b.data<int64_t>();
  int64_t i = 0, j = 0, made = 0;
  for (; i < n || j < m; ++made) {
    const bool take_a = j == m || (i < n && x[i] <= y[j]);
    const bool take_b = i == n || (j < m && y[j] <= x[i]);
    if (take_a) to_x[i++] = made;
    if (take_b) to_y[j++] = made;
  }
  return made;
}

}  // namespace flambeau::inline v1::cpu
