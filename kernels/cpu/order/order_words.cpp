#include "kernels/cpu/order/order_words.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "kernels/cpu/order/order_kernels.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

const OrderKernels& order_kernels() {
  static const OrderKernels& chosen =
      of_isa(baseline::order_kernels, avx2::order_kernels, avx512::order_kernels);
  return chosen;
}

// ---- keys

KeyForm::KeyForm(const char* op, DType dtype, bool descending)
    : dtype(dtype),
      type(kStoredIndex[static_cast<int>(dtype)]),
      descending(descending),
      bits(static_cast<int>(8 * itemsize(dtype))) {
  check<NotImplementedError>(type >= 0 && order_kernels().words[type], op, ": not implemented for ",
                             dtype_name(dtype));
}

KeyForm KeyForm::of(const char* op, const Tensor& elements, bool descending) {
  KeyForm form(op, elements.dtype(), descending);
  const int64_t n = elements.numel();
  if (is_floating(form.dtype) || elements.itemsize() != 8 || n == 0) return form;
  constexpr int64_t kGrain = 1 << 16;
  struct Range {
    uint64_t low, high;
  };
  std::vector<Range> ranges((n + kGrain - 1) / kGrain);
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    Range& range = ranges[begin / kGrain];
    order_kernels().range(elements.data<uint64_t>() + begin, end - begin,
                          form.dtype == DType::int64, &range.low, &range.high);
  });
  form.low = ranges[0].low;
  form.high = ranges[0].high;
  for (const Range& r : ranges) {
    form.low = std::min(form.low, r.low);
    form.high = std::max(form.high, r.high);
  }
  form.narrow = form.high - form.low <= UINT32_MAX;
  if (form.narrow)
    form.bits = std::max(8, (static_cast<int>(std::bit_width(form.high - form.low)) + 7) / 8 * 8);
  return form;
}

// ---- words

template <class Word>
void make_words(const KeyForm& form, const char* src, Word* words, int64_t n, int64_t first) {
  if (form.narrow)
    order_kernels().narrow_words(src, words, n, first, form.dtype == DType::int64, form.descending,
                                 form.low, form.high);
  else
    order_kernels().words[form.type](src, words, n, first, form.descending);
}

template <class Word>
void write_positions(const Word* words, int64_t n, int64_t* indices) {
  order_kernels().positions[sizeof(Word) == 16](words, indices, n);
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
void restore(const KeyForm& form, const Scalar& like, const Word* words, int64_t n, const char* src,
             char* values, const int64_t* indices) {
  char element[8];
  like.store(element, form.dtype);
  Word probe;
  make_words(form, element, &probe, 1, 0);
  constexpr int kShift = 4 * sizeof(Word);
  const auto less = [](Word a, Word b) { return (a >> kShift) < (b >> kShift); };
  const auto [first, last] = std::equal_range(words, words + n, probe, less);
  const size_t item = itemsize(form.dtype);
  const int64_t at = first - words;
  pick_elements(src, indices + at, last - first, values + at * static_cast<int64_t>(item), item);
}

}  // namespace

template <class Word>
void write_words(const KeyForm& form, const Word* words, int64_t n, const char* src, char* values,
                 int64_t* indices) {
  write_positions(words, n, indices);
  constexpr int64_t kFewWords = 4096;
  // So are those of truth values, whose bytes may be others than 0 and 1.
  if (n <= kFewWords && form.dtype != DType::boolean)
    return pick_elements(src, indices, n, values, itemsize(form.dtype));
  // The elements of many words would be read from all over the memory; their keys are at hand.
  if (form.narrow)
    return order_kernels().narrow_elements(words, values, n, form.dtype == DType::int64,
                                           form.descending, form.low, form.high);
  order_kernels().elements[form.type](words, values, n, form.descending);
  if (!is_floating(form.dtype)) return;
  restore(form, Scalar(0.0), words, n, src, values, indices);
  restore(form, Scalar(std::numeric_limits<double>::quiet_NaN()), words, n, src, values, indices);
}

template void make_words(const KeyForm&, const char*, Word64*, int64_t, int64_t);
template void make_words(const KeyForm&, const char*, Word128*, int64_t, int64_t);
template void write_positions(const Word64*, int64_t, int64_t*);
template void write_positions(const Word128*, int64_t, int64_t*);
template void write_words(const KeyForm&, const Word64*, int64_t, const char*, char*, int64_t*);
template void write_words(const KeyForm&, const Word128*, int64_t, const char*, char*, int64_t*);

// ---- rows

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

}  // namespace flambeau::inline v1::cpu
