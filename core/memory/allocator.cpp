#include "core/memory/allocator.h"

#include <malloc.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>

#include "core/memory/blocks.h"
#include "core/memory/budget.h"
#include "core/memory/shared_cache.h"
#include "core/memory/size_class.h"

namespace flambeau::inline v1::memory {

namespace {

std::string describe_size(uint64_t bytes) {
  constexpr const char* units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  int unit = 0;
  double amount = static_cast<double>(bytes);
  for (; amount >= 1024 && unit < 6; ++unit) amount /= 1024;
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.2f %s", amount, units[unit]);
  return text;
}

}  // namespace

// Programs that retry with a smaller batch look for "DefaultCPUAllocator: can't allocate memory".
OutOfMemory::OutOfMemory(size_t requested, uint64_t available)
    : std::runtime_error("DefaultCPUAllocator: can't allocate memory: you tried to allocate " +
                         std::to_string(requested) + " bytes (" + describe_size(requested) +
                         "), but only " + describe_size(available) +
                         " are available; free tensors or use smaller ones"),
      requested_(requested) {}

#ifdef FLAMBEAU_NO_CACHE

namespace {

constinit std::atomic<int64_t> allocated = 0, peak = 0;
constinit std::atomic<uint64_t> allocations = 0;

void raise_peak(int64_t now) {
  int64_t seen = peak.load();
  while (now > seen && !peak.compare_exchange_weak(seen, now)) {
  }
}

}  // namespace

void* allocate(size_t size) {
  if (size == 0) return nullptr;
  void* block = nullptr;
  if (!within_budget(size, static_cast<uint64_t>(allocated.load())) ||
      posix_memalign(&block, kAlignment, size) != 0) {
    throw OutOfMemory(size, budget_available());
  }
  allocations.fetch_add(1);
  raise_peak(allocated.fetch_add(static_cast<int64_t>(size)) + static_cast<int64_t>(size));
  return block;
}

void deallocate(void* block, size_t size) noexcept {
  if (block != nullptr) allocated.fetch_sub(static_cast<int64_t>(size));
  std::free(block);
}

Stats stats() {
  return {static_cast<uint64_t>(allocated.load()),
          static_cast<uint64_t>(peak.load()),
          0,
          allocations.load(),
          0,
          allocations.load()};
}

void reset_peak() { peak.store(allocated.load()); }
void trim() {}
#else

namespace {

// A counter that its thread alone changes and others may read.
template <class T>
class Counter {
 public:
  T get() const { return value_.load(std::memory_order_relaxed); }
  void set(T value) { value_.store(value, std::memory_order_relaxed); }
  T add(T change) {
    const T value = get() + change;
    set(value);
    return value;
  }

 private:
  std::atomic<T> value_ = 0;
};

struct ThreadCache {
  Block* head[kSmallClasses];
  Counter<uint32_t> room[kSmallClasses];  // blocks that may still be pushed
  Counter<int64_t> balance;  // bytes allocated less bytes freed, not yet in the shared figure
  Counter<int64_t> highest;  // that `balance` has been
  Counter<uint64_t> allocations;
  ThreadCache *next, *previous;  // of all threads
};

constexpr size_t kBytesPerClass = size_t{512} << 10;
constexpr int64_t kMostBalance = int64_t{1} << 20;

constexpr uint32_t capacity(size_t c) {
  return c == 0 ? 0 : static_cast<uint32_t>(kBytesPerClass / class_size(c));
}

// Every member function is called under the mutex, which is also held across fork().
struct Shared {
  std::mutex mutex;
  SharedCache cache;
  ThreadCache* threads = nullptr;
  int64_t allocated = 0, peak = 0;
  uint64_t allocations = 0;  // of large blocks and of threads that have ended

  uint64_t promised() const { return std::max<int64_t>(allocated, 0) + cache.bytes(); }

  void record(int64_t change) {
    allocated += change;
    peak = std::max(peak, allocated);
  }

  void settle(ThreadCache& thread) {
    peak = std::max(peak, allocated + thread.highest.get());
    allocated += thread.balance.get();
    thread.balance.set(0);
    thread.highest.set(0);
  }

  void enlist(ThreadCache& thread) {
    thread.next = threads;
    if (thread.next != nullptr) thread.next->previous = &thread;
    threads = &thread;
  }

  void dismiss(ThreadCache& thread) {
    settle(thread);
    allocations += thread.allocations.get();
    if (thread.next != nullptr) thread.next->previous = thread.previous;
    (thread.previous != nullptr ? thread.previous->next : threads) = thread.next;
  }
};

constinit Shared shared;
constinit std::atomic<uint64_t> system_allocations = 0;

// As in small.h: no test for a first use, and nothing is lost after a thread's end.
constinit ThreadCache no_cache{};
thread_local constinit ThreadCache* own [[gnu::tls_model("initial-exec")]] = &no_cache;
thread_local constinit bool ended [[gnu::tls_model("initial-exec")]] = false;

void record(int64_t change) {  // under the mutex
  if (own != &no_cache) shared.settle(*own);
  shared.record(change);
}

Chain take_from(ThreadCache& thread, size_t c, uint32_t most) {
  Chain taken;
  while (taken.count < most && thread.head[c] != nullptr) {
    Block* block = thread.head[c];
    thread.head[c] = block->next;
    taken.push(block);
  }
  thread.room[c].add(static_cast<uint32_t>(taken.count));
  return taken;
}

void give_back(size_t c, Chain chain) {
  if (chain.count == 0) return;
  {
    std::lock_guard lock(shared.mutex);
    chain = shared.cache.give_small(c, chain);
  }
  release(chain, c);
}

struct AtThreadEnd {
  ~AtThreadEnd() {
    ThreadCache* cache = own;
    own = &no_cache;
    ended = true;
    {
      std::lock_guard lock(shared.mutex);
      shared.dismiss(*cache);
    }
    for (size_t c = 1; c < kSmallClasses; ++c) give_back(c, take_from(*cache, c, capacity(c)));
    std::free(cache);
  }
};

// False when this thread has no cache of its own and cannot have one: it is ending, or memory is.
bool activate() noexcept {
  if (own != &no_cache) return true;
  void* memory = ended ? nullptr : std::malloc(sizeof(ThreadCache));
  if (memory == nullptr) return false;
  auto* cache = new (memory) ThreadCache{};
  for (size_t c = 1; c < kSmallClasses; ++c) cache->room[c].set(capacity(c));
  {
    std::lock_guard lock(shared.mutex);
    shared.enlist(*cache);
  }
  own = cache;
  thread_local AtThreadEnd at_thread_end;
  return true;
}

bool fits(size_t size) {
  uint64_t promised;
  {
    std::lock_guard lock(shared.mutex);
    promised = shared.promised();
  }
  return within_budget(size, promised);
}

void* from_system(size_t size) {
  const size_t whole = class_size(size_class(size));
  for (bool trimmed : {false, true}) {
    if (trimmed) trim();
    void* block = fits(size) ? system_allocate(whole) : nullptr;
    if (block == nullptr) continue;
    system_allocations.fetch_add(1, std::memory_order_relaxed);
    return block;
  }
  throw OutOfMemory(size, budget_available());
}

[[gnu::noinline]] void settle_own() {
  std::lock_guard lock(shared.mutex);
  shared.settle(*own);
}

inline void count_allocation(ThreadCache& thread, size_t size) {
  thread.allocations.add(1);
  const int64_t balance = thread.balance.add(static_cast<int64_t>(size));
  if (balance > thread.highest.get()) {
    thread.highest.set(balance);
    if (balance > kMostBalance) [[unlikely]]
      settle_own();
  }
}

[[gnu::noinline]] void* allocate_small_slow(size_t size, size_t c) {
  const bool active = activate();
  Chain refill;
  {
    std::lock_guard lock(shared.mutex);
    refill = shared.cache.take_small(c, active ? std::max(capacity(c) / 4, 1u) : 1);
  }
  void* block = refill.count > 0 ? refill.pop() : from_system(size);
  if (!active) {
    std::lock_guard lock(shared.mutex);
    record(static_cast<int64_t>(size));
    ++shared.allocations;
    return block;
  }
  own->head[c] = refill.head;
  own->room[c].set(capacity(c) - static_cast<uint32_t>(refill.count));
  count_allocation(*own, size);
  return block;
}

[[gnu::noinline]] void deallocate_small_slow(void* block, size_t size, size_t c) noexcept {
  if (activate()) {
    if (own->room[c].get() == 0) give_back(c, take_from(*own, c, capacity(c) / 2));
    return deallocate(block, size);
  }
  {
    std::lock_guard lock(shared.mutex);
    record(-static_cast<int64_t>(size));
  }
  Chain single;
  single.push(block);
  give_back(c, single);
}

[[gnu::noinline]] void* allocate_large(size_t size) {
  if (size > kMaxSize && !fits(size)) throw OutOfMemory(size, budget_available());
  const size_t c = size_class(size);
  void* block;
  LargeBlock* evicted = nullptr;
  {
    std::lock_guard lock(shared.mutex);
    block = shared.cache.take_large(c);
    if (block == nullptr) evicted = shared.cache.evict(cache_limit());
  }
  release(evicted);
  if (block == nullptr) block = from_system(size);
  std::lock_guard lock(shared.mutex);
  record(static_cast<int64_t>(size));
  ++shared.allocations;
  return block;
}

[[gnu::noinline]] void deallocate_large(void* block, size_t size) noexcept {
  LargeBlock* evicted;
  {
    std::lock_guard lock(shared.mutex);
    record(-static_cast<int64_t>(size));
    shared.cache.give_large(size_class(size), block);
    evicted = shared.cache.evict(cache_limit());
  }
  release(evicted);
}

// The child has this thread alone. What others kept for themselves may have been in the middle of a
// change: it is lost, but for the figures.
void after_fork_in_child() {
  for (ThreadCache* thread = shared.threads; thread != nullptr;) {
    ThreadCache* next = thread->next;
    if (thread != own) shared.dismiss(*thread);
    thread = next;
  }
  shared.mutex.unlock();
}

[[maybe_unused]] const int fork_handlers =
    pthread_atfork([] { shared.mutex.lock(); }, [] { shared.mutex.unlock(); }, after_fork_in_child);

}  // namespace

void* allocate(size_t size) {
  if (size - 1 >= kSmallMax) [[unlikely]]
    return size == 0 ? nullptr : allocate_large(size);
  const size_t c = size_class(size);
  ThreadCache& thread = *own;
  Block* block = thread.head[c];
  if (block == nullptr) [[unlikely]]
    return allocate_small_slow(size, c);
  thread.head[c] = block->next;
  thread.room[c].add(1);
  count_allocation(thread, size);
  return block;
}

void deallocate(void* block, size_t size) noexcept {
  if (block == nullptr) return;
  if (size > kSmallMax) [[unlikely]]
    return deallocate_large(block, size);
  const size_t c = size_class(size);
  ThreadCache& thread = *own;
  if (thread.room[c].get() == 0) [[unlikely]]
    return deallocate_small_slow(block, size, c);
  thread.room[c].add(uint32_t(-1));
  thread.head[c] = new (block) Block{thread.head[c]};
  if (thread.balance.add(-static_cast<int64_t>(size)) < -kMostBalance) [[unlikely]]
    settle_own();
}

Stats stats() {
  std::lock_guard lock(shared.mutex);
  int64_t now = shared.allocated, peak = shared.allocated;
  uint64_t cached = shared.cache.bytes(), allocations = shared.allocations;
  for (const ThreadCache* thread = shared.threads; thread != nullptr; thread = thread->next) {
    now += thread->balance.get();
    peak += thread->highest.get();
    allocations += thread->allocations.get();
    for (size_t c = 1; c < kSmallClasses; ++c) {
      cached += (capacity(c) - thread->room[c].get()) * class_size(c);
    }
  }
  const uint64_t from_system = system_allocations.load(std::memory_order_relaxed);
  return {static_cast<uint64_t>(std::max<int64_t>(now, 0)),
          static_cast<uint64_t>(std::max(peak, shared.peak)),
          cached,
          allocations,
          allocations - std::min(allocations, from_system),
          from_system};
}

void reset_peak() {
  std::lock_guard lock(shared.mutex);
  shared.peak = shared.allocated;
  for (ThreadCache* thread = shared.threads; thread != nullptr; thread = thread->next) {
    thread->highest.set(thread->balance.get());
    shared.peak += thread->balance.get();
  }
}

void trim() {
  if (own != &no_cache) {
    for (size_t c = 1; c < kSmallClasses; ++c) release(take_from(*own, c, capacity(c)), c);
  }
  Chain small[kSmallClasses];
  LargeBlock* large;
  {
    std::lock_guard lock(shared.mutex);
    for (size_t c = 1; c < kSmallClasses; ++c) small[c] = shared.cache.take_small(c, SIZE_MAX);
    large = shared.cache.evict(0);
  }
  for (size_t c = 1; c < kSmallClasses; ++c) release(small[c], c);
  release(large);
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

#endif

}  // namespace flambeau::inline v1::memory
