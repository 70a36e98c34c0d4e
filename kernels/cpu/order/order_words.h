// What sorting kernels share: the words of elements, and rows along a dimension.
#pragma once

#include "core/tensor/tensor.h"

namespace flambeau::inline v1::cpu {

using Word64 = uint64_t;
using Word128 = unsigned __int128;

// How the elements of a tensor are made words, see Note [Order keys]. The keys of 64-bit integers
// that lie within 2^32 of each other are counted from the lowest (or back from the highest), so
// that they need 32 bits or less.
struct KeyForm {
  DType dtype;
  int type;  // index of dtype in tables of loops
  bool descending;
  bool narrow = false;
  uint64_t low = 0, high = 0;
  int bits;  // of a key

  // NotImplementedError when the dtype has no order.
  KeyForm(const char* op, DType dtype, bool descending);
  // The form for the elements of a contiguous tensor, narrow where they allow it.
  static KeyForm of(const char* op, const Tensor& elements, bool descending);
};

// Calls f(Word()) with the word type of the form.
template <class F>
decltype(auto) with_word(const KeyForm& form, F&& f) {
  return form.bits > 32 ? f(Word128()) : f(Word64());
}

// Words of n elements, whose positions count from `first`.
template <class Word>
void make_words(const KeyForm& form, const char* src, Word* words, int64_t n, int64_t first);
// The elements and positions of words in order; `src` is where the positions count from.
template <class Word>
void write_words(const KeyForm& form, const Word* words, int64_t n, const char* src, char* values,
                 int64_t* indices);
template <class Word>
void write_positions(const Word* words, int64_t n, int64_t* indices);

// The dimension put last; a 0-dim tensor as one row of one element.
Tensor rows_along(const Tensor& t, int64_t dim);
// `rows` itself when row-major; else memory of that shape, with its values or without.
Tensor contiguous_rows(const Tensor& rows, bool with_values);

}  // namespace flambeau::inline v1::cpu
