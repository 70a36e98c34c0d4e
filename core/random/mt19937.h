// The Mersenne Twister with PyTorch's bookkeeping: the stream of 32-bit numbers behind all others.
#pragma once

#include <cstdint>

#include "core/random/kernels.h"

namespace flambeau::inline v1 {

class Mt19937 {
 public:
  static constexpr uint32_t kWords = kMt19937Words;

  explicit Mt19937(uint64_t seed);

  uint64_t seed() const { return seed_; }

  uint32_t operator()() {
    if (left_ == 1) refill();
    --left_;
    return temper(state_[next_++]);
  }

  void fill(uint32_t* words, int64_t count);
  void skip(int64_t count);

  // Everything that a saved state holds. `left` and `next` are PyTorch's: `left` - 1 words are
  // still to be had from the block, the first of them at `next`.
  struct State {
    uint64_t seed;
    uint32_t left, next;
    uint32_t words[kWords];
  };
  State state() const;
  static bool is_valid(const State& state);
  explicit Mt19937(const State& state);

 private:
  static uint32_t temper(uint32_t y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return y ^ (y >> 18);
  }
  void refill();

  uint64_t seed_;
  uint32_t left_, next_;
  alignas(64) uint32_t state_[kWords];
};

}  // namespace flambeau::inline v1
