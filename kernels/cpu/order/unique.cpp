#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

#include "core/parallel/parallel.h"
#include "kernels/cpu/index/index.h"
#include "kernels/cpu/index/index_kernels.h"
#include "kernels/cpu/order/order.h"
#include "kernels/cpu/order/order_kernels.h"
#include "kernels/cpu/order/order_words.h"
#include "kernels/cpu/order/radix.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {
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

// Elements in an order in which equal ones are neighbours.
struct Order {
  Tensor places;  // of the elements
  Tensor starts;  // bool: whether an element is the first of its group

  explicit Order(int64_t n) : places(int64_vector(n)), starts(empty({{n}}, {DType::boolean})) {}
  int64_t size() const { return places.numel(); }

  // The first element of each group.
  Tensor firsts() const { return masked_select(places, starts); }

  Tensor counts() const {
    const Tensor begins = nonzero(starts);
    const int64_t groups = begins.numel();
    const Tensor out = int64_vector(groups);
    const int64_t* begin = begins.data<int64_t>();
    for (int64_t g = 0; g < groups; ++g)
      out.data<int64_t>()[g] = (g + 1 < groups ? begin[g + 1] : size()) - begin[g];
    return out;
  }

  // The group of each element.
  Tensor inverse(IntSpan sizes) const {
    const Tensor out = empty(sizes, {DType::int64});
    int64_t group = -1;
    for (int64_t i = 0; i < size(); ++i) {
      group += starts.data<bool>()[i];
      out.data<int64_t>()[places.data<int64_t>()[i]] = group;
    }
    return out;
  }
};

// The order of the elements of a contiguous tensor.
template <class Word>
Order order_elements(const KeyForm& form, const Tensor& flat) {
  constexpr int64_t kGrain = 1 << 16;
  const int64_t n = flat.numel(), item = static_cast<int64_t>(flat.itemsize());
  const Tensor buffer = empty({{2 * n * static_cast<int64_t>(sizeof(Word))}}, {DType::uint8});
  Word* words = buffer.data<Word>();
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    make_words(form, flat.bytes() + begin * item, words + begin, end - begin, begin);
  });
  words = sort_words(words, words + n, n, form.bits, true);

  Order order(n);
  const std::optional<Word> nan = nan_key<Word>(form);
  bool* const starts = order.starts.data<bool>();
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    write_positions(words + begin, end - begin, order.places.data<int64_t>() + begin);
    for (int64_t i = begin; i < end; ++i) {
      const Word key = words[i] >> kKeyShift<Word>;
      starts[i] = i == 0 || key != words[i - 1] >> kKeyShift<Word> || (nan && key == *nan);
    }
  });
  return order;
}

// Elements that were compared, fresh; truth values as 0 and 1, whatever bytes they had.
Tensor as_compared(Tensor values) {
  if (values.dtype() != DType::boolean) return values;
  auto* const bytes = values.data<uint8_t>();
  std::transform(bytes, bytes + values.numel(), bytes, [](uint8_t b) { return b != 0; });
  return values;
}

// What of a tensor of n elements is in use; a copy where that is less than half.
Tensor first_of(const Tensor& t, int64_t count) {
  const Tensor part = Tensor::alias(t, {{count}}, {{1}}, 0);
  if (2 * count >= t.numel()) return part;
  const Tensor copied = empty({{count}}, t.options());
  copy(copied, part);
  return copied;
}

// Runs of equal neighbours in a contiguous tensor: block by block, so that what is found to begin a
// run is still in the caches when it is written down.
std::tuple<Tensor, Tensor, Tensor> runs(const KeyForm& form, const Tensor& flat, IntSpan sizes,
                                        bool return_inverse, bool return_counts) {
  constexpr int64_t kGrain = 1 << 15, kChunks = 16, kBlock = kChunks * kGrain;
  const int64_t n = flat.numel(), item = static_cast<int64_t>(flat.itemsize());
  const IndexKernels& kernels = index_kernels();
  const auto pack = kernels.pack[log2_size(item)];
  const Tensor values = empty({{n}}, flat.options());
  const Tensor begins = int64_vector(return_counts ? n : 0);
  const Tensor inverse = return_inverse ? empty(sizes, {DType::int64}) : int64_vector(0);
  const Tensor mask = empty({{std::min(n, kBlock) + 1}}, {DType::uint8});
  uint8_t* const starts = mask.data<uint8_t>() + 1;
  const char* const from = flat.bytes();
  int64_t total = 0;
  for (int64_t block = 0; block < n; block += kBlock) {
    const int64_t length = std::min(kBlock, n - block);
    int64_t before[kChunks + 1] = {total};  // runs that begin before each chunk
    parallel_for(length, kGrain, [&](int64_t begin, int64_t end) {
      const int64_t first = block + begin > 0 ? begin - 1 : 0;
      if (first == begin) starts[begin] = 1;
      order_kernels().starts[form.type](from + (block + first) * item,
                                        reinterpret_cast<bool*>(starts + first), end - first);
      before[begin / kGrain + 1] = kernels.count(starts + begin, end - begin);
    });
    const int64_t chunks = (length + kGrain - 1) / kGrain;
    for (int64_t c = 0; c < chunks; ++c) before[c + 1] += before[c];
    parallel_for(length, kGrain, [&](int64_t begin, int64_t end) {
      const int64_t first = before[begin / kGrain], room = before[begin / kGrain + 1] - first;
      pack(values.bytes() + first * item, room, from + (block + begin) * item, starts + begin,
           end - begin);
      if (return_counts)
        kernels.positions(begins.data<int64_t>() + first, room, starts + begin, end - begin,
                          block + begin);
      if (!return_inverse) return;
      int64_t* const out = inverse.data<int64_t>() + block;
      int64_t group = first - 1;
      for (int64_t i = begin; i < end; ++i) out[i] = group += starts[i];
    });
    total = before[chunks];
  }
  const Tensor counts = int64_vector(return_counts ? total : 0);
  int64_t* const count = counts.data<int64_t>();
  const int64_t* const begin = begins.data<int64_t>();
  parallel_for(counts.numel(), kGrain, [&](int64_t g, int64_t end) {
    for (; g < end; ++g) count[g] = (g + 1 < total ? begin[g + 1] : n) - begin[g];
  });
  return {as_compared(first_of(values, total)), inverse, counts};
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
  if (!sorted) {
    const KeyForm form("unique", flat.dtype(), false);
    return runs(form, flat, self.sizes(), return_inverse, return_counts);
  }
  const KeyForm form = KeyForm::of("unique", flat, false);
  const Order order =
      with_word(form, [&](auto word) { return order_elements<decltype(word)>(form, flat); });
  const Tensor firsts = order.firsts();
  const Tensor values = empty(firsts.sizes(), self.options());
  index_select(values, flat, 0, firsts);
  return {as_compared(values), return_inverse ? order.inverse(self.sizes()) : int64_vector(0),
          return_counts ? order.counts() : int64_vector(0)};
}

namespace {

// Slices as rows of bytes that compare as the slices do: keys, the high byte first.
template <class Word>
class SliceKeys {
 public:
  SliceKeys(const KeyForm& form, const Tensor& rows, int64_t n)
      : width_(n > 0 ? rows.numel() / n : 0) {
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
  int64_t width_;
  std::vector<uint8_t> keys_;
  std::vector<bool> has_nan_;
};

template <class Word>
Order order_slices(const KeyForm& form, const Tensor& rows, int64_t n, bool sorted) {
  const SliceKeys<Word> keys(form, rows, n);
  Order order(n);
  int64_t* const places = order.places.data<int64_t>();
  std::iota(places, places + n, int64_t{0});
  if (sorted)
    std::stable_sort(places, places + n, [&](int64_t a, int64_t b) { return keys.less(a, b); });
  for (int64_t i = 0; i < n; ++i)
    order.starts.data<bool>()[i] = i == 0 || !keys.equal(places[i], places[i - 1]);
  return order;
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
  const KeyForm form = KeyForm::of("unique", rows, false);
  const Order order = with_word(
      form, [&](auto word) { return order_slices<decltype(word)>(form, rows, n, sorted); });
  const Tensor firsts = order.firsts();
  Dims sizes(self.sizes());
  sizes[dim] = firsts.numel();
  const Tensor values = empty(sizes, self.options());
  index_select(values, self, dim, firsts);
  return {as_compared(values), order.inverse({{n}}), order.counts()};
}

}  // namespace flambeau::inline v1::cpu
