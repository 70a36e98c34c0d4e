#include "core/random/mt19937.h"

#include <algorithm>
#include <cstring>

namespace flambeau::inline v1 {

Mt19937::Mt19937(uint64_t seed) : seed_(seed), left_(1), next_(0) {
  state_[0] = static_cast<uint32_t>(seed);
  for (uint32_t i = 1; i < kWords; ++i) {
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  }
}

Mt19937::Mt19937(const State& state) : seed_(state.seed), left_(state.left), next_(state.next) {
  std::memcpy(state_, state.words, sizeof(state_));
}

Mt19937::State Mt19937::state() const {
  State state{seed_, left_, next_, {}};
  std::memcpy(state.words, state_, sizeof(state_));
  return state;
}

bool Mt19937::is_valid(const State& state) {
  return state.left >= 1 && state.left <= kWords && state.next + (state.left - 1) <= kWords &&
         state.next <= kWords;
}

void Mt19937::refill() {
  random_kernels().refill(state_);
  left_ = kWords + 1;
  next_ = 0;
}

void Mt19937::fill(uint32_t* words, int64_t count) {
  while (count > 0) {
    if (left_ == 1) refill();
    const auto taken = static_cast<uint32_t>(std::min<int64_t>(count, left_ - 1));
    random_kernels().temper(state_ + next_, words, taken);
    words += taken;
    count -= taken;
    left_ -= taken;
    next_ += taken;
  }
}

void Mt19937::skip(int64_t count) {
  while (count > 0) {
    if (left_ == 1) refill();
    const auto taken = static_cast<uint32_t>(std::min<int64_t>(count, left_ - 1));
    count -= taken;
    left_ -= taken;
    next_ += taken;
  }
}

}  // namespace flambeau::inline v1
