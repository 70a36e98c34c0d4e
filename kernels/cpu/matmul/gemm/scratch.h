// Memory for packed operands and sums, for the time of one task or call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/memory/allocator.h"

namespace flambeau::inline v1::cpu {

class Scratch {
 public:
  explicit Scratch(int64_t bytes)
      : size_(static_cast<size_t>(bytes)), block_(static_cast<char*>(memory::allocate(size_))) {}
  ~Scratch() { memory::deallocate(block_, size_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  char* data() const { return block_; }

 private:
  size_t size_;
  char* block_;
};

// Takes from the stack what is small.
template <size_t OnStack>
class SmallScratch {
 public:
  explicit SmallScratch(int64_t bytes)
      : size_(static_cast<size_t>(bytes)),
        block_(size_ <= OnStack ? local_ : static_cast<char*>(memory::allocate(size_))) {}
  ~SmallScratch() {
    if (block_ != local_) memory::deallocate(block_, size_);
  }
  SmallScratch(const SmallScratch&) = delete;
  SmallScratch& operator=(const SmallScratch&) = delete;
  char* data() { return block_; }

 private:
  alignas(64) char local_[OnStack];
  size_t size_;
  char* block_;
};

constexpr int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }
constexpr int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }

}  // namespace flambeau::inline v1::cpu
