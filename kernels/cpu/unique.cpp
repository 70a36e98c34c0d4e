#include <algorithm>
#include <bit>
#include <numeric>
#include <optional>
#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/index.h"
#include "kernels/cpu/order.h"
#include "kernels/cpu/order_words.h"
#include "kernels/cpu/pointwise.h"
#include "kernels/cpu/radix.h"

namespace flambeau::cpu {
namespace {

template <class Word>
constexpr int kKeyShift = 4 * sizeof(Word);

// The key of NaN; no NaN equals another. Types without one have no such key.
template <class Word>
std::optional<Word> nan_key(const KeyForm& form) {
  if (!is_floating(form.dtype)) return std::nullopt;
  char element[8];
  Scalar(std::numeric_limits<double>::quiet_NaN()).store(element, form.dtype);
  Word word;
  make_words(form, element, &word, 1, 0);
  return word >> kKeyShift<Word>;
}

Tensor int64_vector(int64_t n) { return empty({{n}}, {DType::int64}); }

// Groups that stand one after the other in an order of n elements.
struct Groups {
  std::vector<int64_t> begins;  // of each, and the end of the last
  int64_t count() const { return static_cast<int64_t>(begins.size()) - 1; }

  Tensor counts() const {
    const Tensor out = int64_vector(count());
    for (int64_t g = 0; g < count(); ++g) out.data<int64_t>()[g] = begins[g + 1] - begins[g];
    return out;
  }
  // The group of each element; `order` says which element stands at a place of the order.
  void write_inverse(const int64_t* order, int64_t* inverse) const {
    for (int64_t g = 0; g < count(); ++g)
      for (int64_t i = begins[g]; i < begins[g + 1]; ++i) inverse[order[i]] = g;
  }
  // The first element of each group.
  Tensor firsts(const int64_t* order) const {
    const Tensor out = int64_vector(count());
    for (int64_t g = 0; g < count(); ++g) out.data<int64_t>()[g] = order[begins[g]];
    return out;
  }
};

template <class Word>
Groups group_words(const KeyForm& form, const Word* words, int64_t n) {
  const std::optional<Word> nan = nan_key<Word>(form);
  Groups groups;
  for (int64_t i = 0; i < n; ++i) {
    const Word key = words[i] >> kKeyShift<Word>;
    if (i == 0 || key != words[i - 1] >> kKeyShift<Word> || (nan && key == *nan))
      groups.begins.push_back(i);
  }
  groups.begins.push_back(n);
  return groups;
}

// The order of the elements of a contiguous tensor (`sorted`: else they stay where they are), and
// its groups.
template <class Word>
Groups order_elements(const KeyForm& form, const Tensor& flat, bool sorted, int64_t* order) {
  const int64_t n = flat.numel();
  const Tensor buffer = empty({{2 * n * static_cast<int64_t>(sizeof(Word))}}, {DType::uint8});
  Word* words = buffer.data<Word>();
  make_words(form, flat.bytes(), words, n, 0);
  if (sorted) words = sort_words(words, words + n, n, form.bits, true);
  write_positions(words, n, order);
  return group_words(form, words, n);
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> unique(const Tensor& self, bool sorted, bool return_inverse,
                                          bool return_counts) {
  Tensor flat = self;
  if (!self.is_contiguous()) {
    flat = empty(self.sizes(), self.options());
    copy(flat, self);
  }
  const int64_t n = self.numel();
  check<NotImplementedError>(n <= UINT32_MAX, "unique: more than 2^32 elements are not supported");
  flat = Tensor::alias(flat, {{n}}, {{1}}, flat.offset());
  const Tensor order = int64_vector(n);
  int64_t* const places = order.data<int64_t>();
  const KeyForm form = KeyForm::of("unique", flat, false);
  const Groups groups = with_word(
      form, [&](auto word) { return order_elements<decltype(word)>(form, flat, sorted, places); });
  const Tensor values = empty({{groups.count()}}, self.options());
  index_select(values, flat, 0, groups.firsts(places));
  Tensor inverse = int64_vector(0);
  if (return_inverse) {
    inverse = empty(self.sizes(), {DType::int64});
    groups.write_inverse(places, inverse.data<int64_t>());
  }
  return {values, inverse, return_counts ? groups.counts() : int64_vector(0)};
}

namespace {

// Slices as rows of bytes that compare as the slices do: keys, the high byte first.
template <class Word>
class SliceKeys {
 public:
  SliceKeys(const KeyForm& form, const Tensor& rows, int64_t n)
      : n_(n), width_(n > 0 ? rows.numel() / n : 0) {
    const int64_t all = rows.numel();
    const Tensor words = empty({{all * static_cast<int64_t>(sizeof(Word))}}, {DType::uint8});
    make_words(form, rows.bytes(), words.data<Word>(), all, 0);
    const std::optional<Word> nan = nan_key<Word>(form);
    has_nan_.resize(n);
    keys_.resize(all * kBytes);
    for (int64_t i = 0; i < all; ++i) {
      const Word key = words.data<Word>()[i] >> kKeyShift<Word>;
      for (int b = 0; b < kBytes; ++b)
        keys_[i * kBytes + b] = static_cast<uint8_t>(key >> (8 * (kBytes - 1 - b)));
      if (nan && key == *nan) has_nan_[i / width_] = true;
    }
  }

  bool less(int64_t a, int64_t b) const { return compare(a, b) < 0; }
  bool equal(int64_t a, int64_t b) const { return !has_nan_[a] && compare(a, b) == 0; }

 private:
  static constexpr int kBytes = sizeof(Word) / 2;
  int compare(int64_t a, int64_t b) const {
    const size_t bytes = static_cast<size_t>(width_ * kBytes);
    return bytes == 0 ? 0 : std::memcmp(&keys_[a * bytes], &keys_[b * bytes], bytes);
  }
  int64_t n_, width_;
  std::vector<uint8_t> keys_;
  std::vector<bool> has_nan_;
};

template <class Word>
Groups order_slices(const KeyForm& form, const Tensor& rows, int64_t n, bool sorted,
                    int64_t* order) {
  const SliceKeys<Word> keys(form, rows, n);
  std::iota(order, order + n, int64_t{0});
  if (sorted)
    std::stable_sort(order, order + n, [&](int64_t a, int64_t b) { return keys.less(a, b); });
  Groups groups;
  for (int64_t i = 0; i < n; ++i)
    if (i == 0 || !keys.equal(order[i], order[i - 1])) groups.begins.push_back(i);
  groups.begins.push_back(n);
  return groups;
}

Tensor slices_first(const Tensor& self, int64_t dim) {
  Dims sizes(self.sizes()), strides(self.strides());
  std::rotate(sizes.begin(), sizes.begin() + dim, sizes.begin() + dim + 1);
  std::rotate(strides.begin(), strides.begin() + dim, strides.begin() + dim + 1);
  return contiguous_rows(Tensor::alias(self, sizes, strides, self.offset()), true);
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> unique_dim(const Tensor& self, int64_t dim, bool sorted) {
  const int64_t n = self.sizes()[dim];
  const Tensor rows = slices_first(self, dim);
  const Tensor order = int64_vector(n);
  int64_t* const places = order.data<int64_t>();
  const KeyForm form = KeyForm::of("unique", rows, false);
  const Groups groups = with_word(
      form, [&](auto word) { return order_slices<decltype(word)>(form, rows, n, sorted, places); });
  Dims sizes(self.sizes());
  sizes[dim] = groups.count();
  const Tensor values = empty(sizes, self.options());
  index_select(values, self, dim, groups.firsts(places));
  const Tensor inverse = int64_vector(n);
  groups.write_inverse(places, inverse.data<int64_t>());
  return {values, inverse, groups.counts()};
}

}  // namespace flambeau::cpu
