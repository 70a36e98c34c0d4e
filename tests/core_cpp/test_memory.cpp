#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "check.h"
#include "core/memory/allocator.h"
#include "core/memory/size_class.h"
#include "core/memory/small.h"

using namespace flambeau;

namespace {

struct Block {
  unsigned char* data;
  size_t size;
  unsigned char mark;
};

// A block whose ends carry its own mark: two that overlap spoil each other's.
Block take(std::minstd_rand& random, bool small) {
  const size_t bits = random() % (small ? 10 : 22);
  const size_t size = 1 + random() % (size_t{1} << bits) % (small ? 600 : SIZE_MAX);
  void* data = small ? small_alloc(size) : memory::allocate(size);
  Block block{static_cast<unsigned char*>(data), size, static_cast<unsigned char>(random())};
  block.data[0] = block.data[size - 1] = block.mark;
  return block;
}

bool intact(const Block& block) {
  return block.data[0] == block.mark && block.data[block.size - 1] == block.mark;
}

void give(const Block& block, bool small) {
  CHECK(intact(block));
  if (small) {
    small_free(block.data, block.size);
  } else {
    memory::deallocate(block.data, block.size);
  }
}

// Blocks that are freed by other threads than took them.
struct Exchange {
  std::mutex mutex;
  std::vector<Block> blocks;

  void swap(Block& block) {
    std::lock_guard lock(mutex);
    blocks.push_back(block);
    std::swap(blocks.back(), blocks[block.mark % blocks.size()]);
    block = blocks.back();
    blocks.pop_back();
  }
};

void churn(unsigned seed, bool small, Exchange& exchange, int rounds) {
  std::minstd_rand random(seed);
  std::vector<Block> mine;
  for (int i = 0; i < rounds; ++i) {
    if (mine.size() < 100 || random() % 2 == 0) {
      mine.push_back(take(random, small));
      exchange.swap(mine.back());
    } else {
      std::swap(mine.back(), mine[random() % mine.size()]);
      give(mine.back(), small);
      mine.pop_back();
    }
  }
  for (const Block& block : mine) give(block, small);
}

void churn_on_threads(bool small, int threads, int rounds) {
  Exchange exchange;
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&, t] { churn(static_cast<unsigned>(t + 1), small, exchange, rounds); });
  }
  for (std::thread& thread : running) thread.join();
  for (const Block& block : exchange.blocks) give(block, small);
}

}  // namespace

TEST(classes_cover_all_sizes_with_at_most_a_quarter_to_spare) {
  using memory::class_size, memory::size_class;
  for (size_t c = 1; c < memory::kClasses; ++c) {
    CHECK(size_class(class_size(c)) == c);
    CHECK(class_size(c) % memory::kAlignment == 0);
    if (c == 1) continue;
    CHECK(size_class(class_size(c - 1) + 1) == c);
    CHECK(c <= memory::kLinearClasses || class_size(c) * 4 <= class_size(c - 1) * 5);
  }
}

TEST(small_blocks_are_aligned_and_reused) {
  for (size_t size = 0; size <= 600; ++size) {
    void* block = small_alloc(size);
    CHECK(reinterpret_cast<uintptr_t>(block) % 16 == 0);
    std::memset(block, 1, size);
    small_free(block, size);
#ifndef FLAMBEAU_NO_CACHE
    if (size > 512) continue;
    void* again = small_alloc(size);
    CHECK(again == block);
    small_free(again, size);
#endif
  }
}

TEST(small_blocks_stay_apart_on_many_threads) { churn_on_threads(true, 6, 20000); }

TEST(a_burst_of_small_blocks_is_freed) {
  std::vector<void*> blocks(20000);
  for (void*& block : blocks) block = small_alloc(256);
  std::sort(blocks.begin(), blocks.end());
  CHECK(std::adjacent_find(blocks.begin(), blocks.end()) == blocks.end());
  for (void* block : blocks) small_free(block, 256);
}

namespace {

// Made before a thread's caches, and so destroyed after them.
struct FreedLate {
  void *small = nullptr, *block = nullptr, *large = nullptr;

  void fill() {
    small = small_alloc(64);
    block = memory::allocate(64);
    large = memory::allocate(1 << 20);
    small_free(small_alloc(80), 80);
    memory::deallocate(memory::allocate(80), 80);
  }
  ~FreedLate() {
    if (small == nullptr) return;
    small_free(small, 64);
    memory::deallocate(block, 64);
    memory::deallocate(large, 1 << 20);
    small_free(small_alloc(48), 48);
    memory::deallocate(memory::allocate(48), 48);
  }
};

FreedLate freed_by_static_destructor;

}  // namespace

TEST(a_thread_and_a_process_may_free_while_they_end) {
  freed_by_static_destructor.fill();
  const uint64_t before = memory::stats().allocated_bytes;
  for (int i = 0; i < 50; ++i) {
    std::thread([] {
      thread_local FreedLate late;
      late.fill();
    }).join();
  }
  CHECK(memory::stats().allocated_bytes == before);
}

TEST(blocks_are_aligned_and_writable) {
  CHECK(memory::allocate(0) == nullptr);
  memory::deallocate(nullptr, 0);
  for (size_t size = 1; size < size_t{40} << 20; size += 1 + size / 3) {
    void* block = memory::allocate(size);
    CHECK(reinterpret_cast<uintptr_t>(block) % 64 == 0);
    std::memset(block, 1, size);
    memory::deallocate(block, size);
  }
}

TEST(blocks_stay_apart_on_many_threads) {
  const uint64_t before = memory::stats().allocated_bytes;
  churn_on_threads(false, 6, 20000);
  CHECK(memory::stats().allocated_bytes == before);
}

TEST(figures_are_exact_on_one_thread) {
  memory::trim();
  memory::reset_peak();
  const memory::Stats before = memory::stats();
  CHECK(before.peak_allocated_bytes == before.allocated_bytes);
  constexpr size_t sizes[] = {1, 100, 70000, 100, 3 << 20, 1000};
  uint64_t sum = 0;
  std::vector<void*> blocks;
  for (size_t size : sizes) {
    blocks.push_back(memory::allocate(size));
    sum += size;
    CHECK(memory::stats().allocated_bytes == before.allocated_bytes + sum);
  }
  for (size_t i = 0; i < blocks.size(); ++i) memory::deallocate(blocks[i], sizes[i]);
  const memory::Stats after = memory::stats();
  CHECK(after.allocated_bytes == before.allocated_bytes);
  CHECK(after.peak_allocated_bytes == before.allocated_bytes + sum);
  CHECK(after.allocations == before.allocations + 6);
#ifndef FLAMBEAU_NO_CACHE
  CHECK(after.cached_bytes >= before.cached_bytes + sum);
  for (size_t size : sizes) memory::deallocate(memory::allocate(size), size);
  CHECK(memory::stats().cache_hits == after.cache_hits + 6);
  CHECK(memory::stats().system_allocations == after.system_allocations);
  memory::trim();
  CHECK(memory::stats().cached_bytes == 0);
#endif
}

TEST(the_peak_counts_what_threads_held_together) {
  constexpr int threads = 4, blocks = 64;
  constexpr size_t size = 60000;
  memory::reset_peak();
  const uint64_t before = memory::stats().allocated_bytes;
  std::atomic<int> ready = 0;
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&] {
      std::vector<void*> mine;
      for (int i = 0; i < blocks; ++i) mine.push_back(memory::allocate(size));
      ++ready;
      while (ready < threads) std::this_thread::yield();
      for (void* block : mine) memory::deallocate(block, size);
    });
  }
  for (std::thread& thread : running) thread.join();
  const auto peak = static_cast<int64_t>(memory::stats().peak_allocated_bytes - before);
  constexpr int64_t held = threads * blocks * size, tolerance = int64_t{threads} * 2 << 20;
  CHECK(peak >= held - tolerance && peak <= held + tolerance);
  CHECK(memory::stats().allocated_bytes == before);
}

TEST(what_cannot_be_backed_is_refused) {
  auto ask = [](size_t size) {
    return [size] { memory::deallocate(memory::allocate(size), size); };
  };
  CHECK(
      check::throws<memory::OutOfMemory>(ask(size_t{1} << 46), "70368744177664 bytes (64.00 TiB)"));
  CHECK(check::throws<memory::OutOfMemory>(ask(SIZE_MAX), "can't allocate memory"));
  CHECK(check::throws<memory::OutOfMemory>(ask(SIZE_MAX / 2), "can't allocate memory"));
  // Nothing is touched here, so only the figures can tell that it would not fit.
  std::vector<void*> blocks;
  constexpr size_t gigabyte = size_t{1} << 30;
  CHECK(check::throws<memory::OutOfMemory>(
      [&] {
        while (blocks.size() < 100000) blocks.push_back(memory::allocate(gigabyte));
      },
      "GiB"));
  for (void* block : blocks) memory::deallocate(block, gigabyte);
  ask(size_t{1} << 20)();
}

// Sanitizers hold locks of their own in malloc and do not let go of all of them in a child.
#if !defined(FLAMBEAU_NO_CACHE) && !defined(__SANITIZE_THREAD__)
TEST(a_forked_child_allocates_whatever_other_threads_held) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> busy;
  for (unsigned t = 0; t < 3; ++t) {
    busy.emplace_back([&, t] {
      Exchange exchange;
      for (unsigned i = 0; !stop; ++i) {
        std::thread([&] { churn(t * 1000 + i, false, exchange, 200); }).join();
      }
      for (const Block& block : exchange.blocks) give(block, false);
    });
  }
  for (int i = 0; i < 30; ++i) {
    CHECK(check::passes_in_child([] {
      Exchange exchange;
      churn(7, false, exchange, 500);
      churn(7, true, exchange, 500);
      memory::stats();
      memory::trim();
    }));
  }
  stop = true;
  for (std::thread& thread : busy) thread.join();
}
#endif
