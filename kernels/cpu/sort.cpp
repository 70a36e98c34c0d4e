#include <algorithm>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/order.h"
#include "kernels/cpu/order_kernels.h"
#include "kernels/cpu/order_rows.h"
#include "kernels/cpu/pointwise.h"
#include "kernels/cpu/radix.h"

namespace flambeau::cpu {

const OrderKernels& order_kernels() {
  static const OrderKernels& chosen = isa() == Isa::avx512 ? avx512::order_kernels
                                      : isa() == Isa::avx2 ? avx2::order_kernels
                                                           : baseline::order_kernels;
  return chosen;
}

int order_index(const char* op, DType dtype) {
  const int i = kStoredIndex[static_cast<int>(dtype)];
  check<NotImplementedError>(i >= 0 && order_kernels().words[i], op, ": not implemented for ",
                             dtype_name(dtype));
  return i;
}

Tensor rows_along(const Tensor& t, int64_t dim) {
  Dims sizes(t.sizes()), strides(t.strides());
  if (t.dim() > 0) {
    sizes.erase(dim);
    strides.erase(dim);
    sizes.push_back(t.sizes()[dim]);
    strides.push_back(t.strides()[dim]);
  } else {
    sizes.push_back(1);
    strides.push_back(1);
  }
  return Tensor::alias(t, sizes, strides, t.offset());
}

Tensor contiguous_rows(const Tensor& rows, bool with_values) {
  if (rows.is_contiguous()) return rows;
  const Tensor made = empty(rows.sizes(), rows.options());
  if (with_values) copy(made, rows);
  return made;
}

namespace {

template <int item>
void pick(const char* src, const int64_t* at, int64_t n, char* out) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(out + i * item, src + at[i] * item, item);
}

void pick_elements(const char* src, const int64_t* at, int64_t n, char* out, size_t item) {
  switch (item) {
    case 1:
      return pick<1>(src, at, n, out);
    case 2:
      return pick<2>(src, at, n, out);
    case 4:
      return pick<4>(src, at, n, out);
    default:
      return pick<8>(src, at, n, out);
  }
}

// Keys do not tell zeros apart, nor NaNs: elements with the key of `like` come from the source.
template <class Word>
void restore(const Scalar& like, const Word* words, int64_t n, DType dtype, const char* src,
             bool descending, char* values, const int64_t* indices) {
  char element[8];
  like.store(element, dtype);
  Word probe;
  order_kernels().words[order_index("sort", dtype)](element, &probe, 1, 0, descending);
  constexpr int kShift = 4 * sizeof(Word);
  const auto less = [](Word a, Word b) { return (a >> kShift) < (b >> kShift); };
  const auto [first, last] = std::equal_range(words, words + n, probe, less);
  const int64_t at = first - words, item = static_cast<int64_t>(itemsize(dtype));
  pick_elements(src, indices + at, last - first, values + at * item, itemsize(dtype));
}

}  // namespace

template <class Word>
void write_words(const Word* words, int64_t n, DType dtype, const char* src, bool descending,
                 char* values, int64_t* indices) {
  order_kernels().positions[sizeof(Word) == 16](words, indices, n);
  constexpr int64_t kFewWords = 4096;
  if (n <= kFewWords) return pick_elements(src, indices, n, values, itemsize(dtype));
  // The elements of many words would be read from all over the memory; their keys are at hand.
  order_kernels().elements[order_index("sort", dtype)](words, values, n, descending);
  if (!is_floating(dtype)) return;
  restore(Scalar(0.0), words, n, dtype, src, descending, values, indices);
  restore(Scalar(std::numeric_limits<double>::quiet_NaN()), words, n, dtype, src, descending,
          values, indices);
}

template void write_words(const Word64*, int64_t, DType, const char*, bool, char*, int64_t*);
template void write_words(const Word128*, int64_t, DType, const char*, bool, char*, int64_t*);

namespace {

template <class Word>
void sort_rows(const Tensor& values, const Tensor& indices, const Tensor& self, bool descending) {
  const int64_t n = self.sizes().back(), rows = self.numel() / n;
  const int64_t item = static_cast<int64_t>(self.itemsize());
  const int type = order_index("sort", self.dtype());
  // Few long rows are each sorted by all threads, other rows side by side.
  const bool within = rows < 4;
  const int64_t grain = within ? rows : std::max<int64_t>(1, (1 << 14) / n);
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    const Tensor buffer = empty({{2 * n * static_cast<int64_t>(sizeof(Word))}}, {DType::uint8});
    Word* const words = buffer.data<Word>();
    for (int64_t r = begin; r < end; ++r) {
      const char* src = self.bytes() + r * n * item;
      parallel_for(n, within ? 1 << 16 : n, [&](int64_t from, int64_t to) {
        order_kernels().words[type](src + from * item, words + from, to - from, from, descending);
      });
      Word* const sorted = sort_words(words, words + n, n, key_bits(self.dtype()), within);
      parallel_for(n, within ? 1 << 16 : n, [&](int64_t from, int64_t to) {
        write_words(sorted + from, to - from, self.dtype(), src, descending,
                    values.bytes() + (r * n + from) * item, indices.data<int64_t>() + r * n + from);
      });
    }
  });
}

}  // namespace

void sort(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim,
          bool descending) {
  if (self.numel() == 0) return;
  const int64_t d = wrap_dim(dim, self.dim(), "sort");
  const Tensor from = contiguous_rows(rows_along(self, d), true);
  const Tensor to_values = rows_along(values, d), to_indices = rows_along(indices, d);
  const Tensor sorted = contiguous_rows(to_values, false);
  const Tensor places = contiguous_rows(to_indices, false);
  check<NotImplementedError>(from.sizes().back() <= UINT32_MAX,
                             "sort: a dimension of more than 2^32 elements is not supported");
  with_word(self.dtype(),
            [&](auto word) { sort_rows<decltype(word)>(sorted, places, from, descending); });
  if (!sorted.is(to_values)) copy(to_values, sorted);
  if (!places.is(to_indices)) copy(to_indices, places);
}

}  // namespace flambeau::cpu
