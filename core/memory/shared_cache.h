// The part of the allocator that all threads share: free blocks of every class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "core/memory/size_class.h"

namespace flambeau::inline v1::memory {

struct Block {
  Block* next;
};

// Free blocks of one class, linked through their own first bytes.
struct Chain {
  Block* head = nullptr;
  size_t count = 0;

  void push(void* block) {
    head = new (block) Block{head};
    ++count;
  }
  void* pop() {
    Block* block = head;
    head = block->next;
    --count;
    return block;
  }
};

void release(Chain chain, size_t c) noexcept;  // back to the system

// Free blocks of more than kSmallMax bytes.
struct LargeBlock {
  LargeBlock *next, *previous;  // in its class, the last freed first
  LargeBlock *newer, *older;    // among all
  size_t size_class;
  int64_t freed_at;  // seconds
};

void release(LargeBlock* evicted) noexcept;  // back to the system, and all after it by `next`

// Knows no lock: its one user holds one around each call. Trivially destructible, so that blocks
// can be freed while the process is torn down.
class SharedCache {
 public:
  Chain take_small(size_t c, size_t most);
  Chain give_small(size_t c, Chain chain);  // returns what there is no room for

  void* take_large(size_t c);  // nullptr when there is none
  void give_large(size_t c, void* block);

  // Removes large blocks until all that is cached is within `limit` bytes, and a few of those that
  // have long been unused: no call is to wait for many. The caller releases them, without the lock.
  LargeBlock* evict(uint64_t limit);

  uint64_t bytes() const { return small_bytes_ + large_bytes_; }

 private:
  void unlink(LargeBlock* block);

  Chain small_[kSmallClasses] = {};
  LargeBlock* large_[kClasses] = {};
  LargeBlock *newest_ = nullptr, *oldest_ = nullptr;
  uint64_t small_bytes_ = 0, large_bytes_ = 0;
};

}  // namespace flambeau::inline v1::memory
