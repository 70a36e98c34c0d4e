#include "core/parallel/parallel.h"
#include "kernels/cpu/order/order.h"
#include "kernels/cpu/order/order_words.h"
#include "kernels/cpu/order/radix.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

template <class Word>
void sort_rows(const KeyForm& form, const Tensor& values, const Tensor& indices,
               const Tensor& self) {
  const int64_t n = self.sizes().back(), rows = self.numel() / n;
  const int64_t item = static_cast<int64_t>(self.itemsize());
  // Few long rows are each sorted by all threads, other rows side by side.
  const bool within = rows < 4;
  const int64_t row_grain = within ? rows : std::max<int64_t>(1, (1 << 14) / n);
  constexpr int64_t kGrain = 1 << 16;
  const auto over_row = [=](auto&& f) { within ? parallel_for(n, kGrain, f) : f(int64_t{0}, n); };
  parallel_for(rows, row_grain, [&](int64_t begin, int64_t end) {
    const Tensor buffer = empty({{2 * n * static_cast<int64_t>(sizeof(Word))}}, {DType::uint8});
    Word* const words = buffer.data<Word>();
    for (int64_t r = begin; r < end; ++r) {
      const char* src = self.bytes() + r * n * item;
      char* const out = values.bytes() + r * n * item;
      int64_t* const places = indices.data<int64_t>() + r * n;
      over_row([&](int64_t from, int64_t to) {
        make_words(form, src + from * item, words + from, to - from, from);
      });
      const Word* const sorted = sort_words(words, words + n, n, form.bits, within);
      over_row([&](int64_t from, int64_t to) {
        write_words(form, sorted + from, to - from, src, out + from * item, places + from);
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
  const KeyForm form = KeyForm::of("sort", from, descending);
  with_word(form, [&](auto word) { sort_rows<decltype(word)>(form, sorted, places, from); });
  if (!sorted.is(to_values)) copy(to_values, sorted);
  if (!places.is(to_indices)) copy(to_indices, places);
}

}  // namespace flambeau::inline v1::cpu
