#include "core/memory/shared_cache.h"

#include <time.h>

#include <new>

#include "core/memory/blocks.h"

namespace flambeau::inline v1::memory {
namespace {

constexpr uint64_t kSmallLimit = uint64_t{64} << 20;
constexpr int64_t kIdleSeconds = 10;
constexpr int kMostIdle = 4;

int64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return time.tv_sec;
}

}  // namespace

void release(Chain chain, size_t c) noexcept {
  while (chain.count > 0) system_release(chain.pop(), class_size(c));
}

void release(LargeBlock* evicted) noexcept {
  while (evicted != nullptr) {
    LargeBlock* next = evicted->next;
    system_release(evicted, class_size(evicted->size_class));
    evicted = next;
  }
}

Chain SharedCache::take_small(size_t c, size_t most) {
  Chain taken;
  while (small_[c].count > 0 && taken.count < most) taken.push(small_[c].pop());
  small_bytes_ -= taken.count * class_size(c);
  return taken;
}

Chain SharedCache::give_small(size_t c, Chain chain) {
  for (; chain.count > 0 && small_bytes_ < kSmallLimit; small_bytes_ += class_size(c)) {
    small_[c].push(chain.pop());
  }
  return chain;
}

void* SharedCache::take_large(size_t c) {
  LargeBlock* block = large_[c];
  if (block != nullptr) unlink(block);
  return block;
}

void SharedCache::give_large(size_t c, void* memory) {
  auto* block = new (memory) LargeBlock{large_[c], nullptr, nullptr, newest_, c, now()};
  if (block->next != nullptr) block->next->previous = block;
  large_[c] = block;
  (newest_ != nullptr ? newest_->newer : oldest_) = block;
  newest_ = block;
  large_bytes_ += class_size(c);
}

void SharedCache::unlink(LargeBlock* block) {
  if (block->next != nullptr) block->next->previous = block->previous;
  (block->previous != nullptr ? block->previous->next : large_[block->size_class]) = block->next;
  (block->newer != nullptr ? block->newer->older : newest_) = block->older;
  (block->older != nullptr ? block->older->newer : oldest_) = block->newer;
  large_bytes_ -= class_size(block->size_class);
}

LargeBlock* SharedCache::evict(uint64_t limit) {
  LargeBlock* evicted = nullptr;
  const int64_t idle_since = now() - kIdleSeconds;
  for (int idle = 0; oldest_ != nullptr;) {
    if (bytes() <= limit && (oldest_->freed_at >= idle_since || idle++ == kMostIdle)) break;
    LargeBlock* block = oldest_;
    unlink(block);
    block->next = evicted;
    evicted = block;
  }
  return evicted;
}

}  // namespace flambeau::inline v1::memory
