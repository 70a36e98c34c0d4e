// Sorting of words, see Note [Order keys].
#pragma once

#include <cstdint>

namespace flambeau::inline v1::cpu {

// Sorts n words by key and position. They stand in `words`, which must be in the order of their
// positions; the result is there or in `scratch`, and is what this returns. A large sort uses all
// threads when `parallel` is set.
template <class Word>
Word* sort_words(Word* words, Word* scratch, int64_t n, int key_bits, bool parallel);

}  // namespace flambeau::inline v1::cpu
