#include <algorithm>

#include "core/parallel/parallel.h"
#include "kernels/cpu/order/order.h"
#include "kernels/cpu/order/order_kernels.h"
#include "kernels/cpu/order/order_words.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
namespace {

// The k first of a row, in order. Words that may be among them are gathered until their buffer is
// full, then cut back to the best k, the last of which is the bound that others have to pass. After
// a few cuts almost nothing passes, and a row is read at the speed of memory.
template <class Word>
class Selection {
 public:
  Selection(const KeyForm& form, int64_t n, int64_t k)
      : form_(form),
        n_(n),
        k_(k),
        room_(std::clamp<int64_t>(4 * k, 64, 512)),
        capacity_(std::min(n, k + room_)),
        buffer_(empty({{(capacity_ + kStretch) * static_cast<int64_t>(sizeof(Word))}},
                      {DType::uint8})) {}

  const Word* operator()(const char* row) {
    const int64_t item = static_cast<int64_t>(itemsize(form_.dtype));
    const auto below = order_kernels().below[form_.type];
    Word* const words = buffer_.data<Word>();
    make_words(form_, row, words, capacity_, 0);
    int64_t held = cut(capacity_);
    for (int64_t at = capacity_; at < n_;) {
      const int64_t length = std::min(n_ - at, kStretch);
      const uint64_t bound = static_cast<uint64_t>(words[k_ - 1] >> (4 * sizeof(Word)));
      held += below(row + at * item, words + held, length, at, form_.descending, bound);
      at += length;
      if (held - k_ > room_ / 2 || at == n_) held = cut(held);
    }
    std::sort(words, words + k_);
    return words;
  }

 private:
  static constexpr int64_t kStretch = 512;
  int64_t cut(int64_t held) {
    Word* const words = buffer_.data<Word>();
    if (held > k_)
      std::nth_element(words, words + k_ - 1, words + held);
    else
      std::swap(*std::max_element(words, words + k_), words[k_ - 1]);
    return k_;
  }

  KeyForm form_;
  int64_t n_, k_, room_, capacity_;
  Tensor buffer_;
};

template <class Word>
void topk_rows(const KeyForm& form, const Tensor& values, const Tensor& indices, const Tensor& self,
               int64_t k) {
  const int64_t n = self.sizes().back(), rows = self.numel() / n;
  const int64_t item = static_cast<int64_t>(self.itemsize());
  const int64_t grain = std::max<int64_t>(1, (1 << 14) / n);
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    Selection<Word> select(form, n, k);
    for (int64_t r = begin; r < end; ++r) {
      const char* row = self.bytes() + r * n * item;
      write_words(form, select(row), k, row, values.bytes() + r * k * item,
                  indices.data<int64_t>() + r * k);
    }
  });
}

}  // namespace

void topk(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t k, int64_t dim,
          bool largest) {
  if (values.numel() == 0) return;
  const int64_t d = wrap_dim(dim, self.dim(), "topk");
  const Tensor from = contiguous_rows(rows_along(self, d), true);
  const Tensor to_values = rows_along(values, d), to_indices = rows_along(indices, d);
  const Tensor best = contiguous_rows(to_values, false);
  const Tensor places = contiguous_rows(to_indices, false);
  check<NotImplementedError>(from.sizes().back() <= UINT32_MAX,
                             "topk: a dimension of more than 2^32 elements is not supported");
  const KeyForm form("topk", self.dtype(), largest);
  with_word(form, [&](auto word) { topk_rows<decltype(word)>(form, best, places, from, k); });
  if (!best.is(to_values)) copy(to_values, best);
  if (!places.is(to_indices)) copy(to_indices, places);
}

}  // namespace flambeau::inline v1::cpu
