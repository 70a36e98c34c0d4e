// Filling and picking by masks.

#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/index/index.h"
#include "kernels/cpu/index/indexed.h"
#include "kernels/cpu/pointwise/pointwise.h"
#include "kernels/shape/index.h"

namespace flambeau::inline v1::cpu {
namespace {

constexpr int64_t kMaskGrain = 1 << 15;
static_assert(sizeof(bool) == 1);

// `t` as `sizes`, row-major: itself where it is that already.
Tensor contiguous_as(const Tensor& t, IntSpan sizes) {
  if (t.is_contiguous() && same(t.sizes(), sizes)) return t;
  const Tensor made = empty(sizes, t.options());
  copy(made, expanded(t, sizes));
  return made;
}

// How many true elements come before each chunk of kMaskGrain, and in all (last).
std::vector<int64_t> counts_before(int64_t n,
                                   int64_t (*count)(const void* context, int64_t begin,
                                                    int64_t end),
                                   const void* context) {
  std::vector<int64_t> before((n + kMaskGrain - 1) / kMaskGrain + 1, 0);
  parallel_for(n, kMaskGrain, [&](int64_t begin, int64_t end) {
    before[begin / kMaskGrain + 1] = count(context, begin, end);
  });
  for (size_t i = 1; i < before.size(); ++i) before[i] += before[i - 1];
  return before;
}

std::vector<int64_t> true_before(const Tensor& mask) {
  return counts_before(
      mask.numel(),
      [](const void* bytes, int64_t begin, int64_t end) {
        return index_kernels().count(static_cast<const uint8_t*>(bytes) + begin, end - begin);
      },
      mask.bytes());
}

}  // namespace

// ---- fill

namespace {

// dst = mask ? value : src, all contiguous.
void select_contiguous(const Tensor& dst, const Tensor& src, const Tensor& mask,
                       const Scalar& value) {
  alignas(16) char element[16];
  value.store(element, dst.dtype());
  const int64_t item = static_cast<int64_t>(dst.itemsize());
  const auto select = index_kernels().select[log2_size(item)];
  parallel_for(dst.numel(), kMaskGrain, [&](int64_t begin, int64_t end) {
    select(dst.bytes() + begin * item, src.bytes() + begin * item, mask.data<uint8_t>() + begin,
           element, end - begin);
  });
}

}  // namespace

void masked_fill(const Tensor& result, const Tensor& self, const Tensor& mask,
                 const Scalar& value) {
  const IntSpan sizes = result.sizes();
  select_contiguous(result, contiguous_as(self, sizes), contiguous_as(mask, sizes), value);
}

void masked_fill_into(const Tensor& self, const Tensor& mask, const Scalar& value) {
  const Tensor full_mask = contiguous_as(mask, self.sizes());
  if (self.is_contiguous()) return select_contiguous(self, self, full_mask, value);
  const Tensor filled = contiguous_as(self, self.sizes());
  select_contiguous(filled, filled, full_mask, value);
  copy(self, filled);
}

void masked_fill_tensor(const Tensor& result, const Tensor& self, const Tensor& mask,
                        const Tensor& value) {
  const Scalar number = value.value();
  check_fits("masked_fill", number, self.dtype());
  masked_fill(result, self, mask, number);
}

void masked_fill_tensor_into(const Tensor& self, const Tensor& mask, const Tensor& value) {
  const Scalar number = value.value();
  check_fits("masked_fill", number, self.dtype());
  masked_fill_into(self, mask, number);
}

// ---- pick

Tensor masked_select(const Tensor& self, const Tensor& mask) {
  const Dims sizes = broadcast(self.sizes(), mask.sizes(), "masked_select");
  const Tensor from = contiguous_as(self, sizes), wanted = contiguous_as(mask, sizes);
  const std::vector<int64_t> before = true_before(wanted);
  const Tensor result = empty({{before.back()}}, self.options());
  if (result.numel() == 0) return result;
  const int64_t item = static_cast<int64_t>(self.itemsize());
  const auto pack = index_kernels().pack[log2_size(item)];
  parallel_for(from.numel(), kMaskGrain, [&](int64_t begin, int64_t end) {
    const int64_t first = before[begin / kMaskGrain];
    pack(result.bytes() + first * item, before[begin / kMaskGrain + 1] - first,
         from.bytes() + begin * item, wanted.data<uint8_t>() + begin, end - begin);
  });
  return result;
}

// ---- nonzero

namespace {

// Splits flat positions, which stand in the first column, into coordinates.
template <class I>
void unravel(int64_t* columns, int64_t n, IntSpan sizes, int64_t pitch) {
  for (size_t d = sizes.size() - 1; d > 0; --d) {
    const I size = static_cast<I>(sizes[d]);
    int64_t* column = columns + static_cast<int64_t>(d) * pitch;
    for (int64_t i = 0; i < n; ++i) {
      const I flat = static_cast<I>(columns[i]), quotient = flat / size;
      column[i] = static_cast<int64_t>(flat - quotient * size);
      columns[i] = static_cast<int64_t>(quotient);
    }
  }
}

Tensor truth_of(const Tensor& self) {
  const Tensor mask = empty(self.sizes(), {DType::boolean, self.device()});
  copy(mask, self);
  return mask;
}

}  // namespace

Tensor nonzero(const Tensor& self) {
  const int64_t ndim = self.dim();
  const Tensor mask =
      self.dtype() == DType::boolean && self.is_contiguous() ? self : truth_of(self);
  const std::vector<int64_t> before = true_before(mask);
  const int64_t total = before.back();
  const int64_t sizes[] = {total, ndim}, strides[] = {1, total > 0 ? total : 1};
  const Tensor result = empty_strided(sizes, strides, {DType::int64, self.device()});
  int64_t* const out = result.data<int64_t>();
  if (total == 0 || ndim == 0) return result;
  const bool narrow = mask.numel() <= UINT32_MAX;
  parallel_for(mask.numel(), kMaskGrain, [&](int64_t begin, int64_t end) {
    const int64_t first = before[begin / kMaskGrain];
    const int64_t n = before[begin / kMaskGrain + 1] - first;
    index_kernels().positions(out + first, n, mask.data<uint8_t>() + begin, end - begin, begin);
    if (narrow)
      unravel<uint32_t>(out + first, n, self.sizes(), total);
    else
      unravel<uint64_t>(out + first, n, self.sizes(), total);
  });
  return result;
}

}  // namespace flambeau::inline v1::cpu
