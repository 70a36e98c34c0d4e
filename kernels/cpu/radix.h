// Sorting of words, see Note [Order keys].
#pragma once

#include <cstdint>

#include "core/tensor/dtype.h"

namespace flambeau::cpu {

using Word64 = uint64_t;
using Word128 = unsigned __int128;

// Bits that a dtype's keys have.
int key_bits(DType dtype);

// Sorts n words by key and position. They stand in `words`, which must be in the order of their
// positions; the result is there or in `scratch`, and is what this returns. A large sort uses all
// threads when `parallel` is set.
template <class Word>
Word* sort_words(Word* words, Word* scratch, int64_t n, int key_bits, bool parallel);

// Calls f(Word()) with the word type of the dtype.
template <class F>
decltype(auto) with_word(DType dtype, F&& f) {
  return itemsize(dtype) == 8 ? f(Word128()) : f(Word64());
}

}  // namespace flambeau::cpu
