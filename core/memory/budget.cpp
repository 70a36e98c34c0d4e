#include "core/memory/budget.h"

#include <time.h>

#include <algorithm>
#include <atomic>

#include "core/memory/size_class.h"
#include "core/memory/system.h"

namespace flambeau::inline v1::memory {
namespace {

// An eighth of what is available may be taken, for a second, before the figures are read again.
constexpr uint64_t kShare = 8;
constexpr int64_t kValidSeconds = 1;
// Kept free for the process itself and its neighbours.
constexpr uint64_t kReserve = uint64_t{64} << 20;

// A process that needs little never reads them.
constinit std::atomic<int64_t> allowance = int64_t{64} << 20;
constinit std::atomic<int64_t> valid_until = INT64_MAX;
constinit std::atomic<uint64_t> last_available = 0;
constinit std::atomic<uint64_t> limit_of_caches = UINT64_MAX;

int64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return time.tv_sec;
}

uint64_t read_available(uint64_t promised) {
  const SystemMemory memory = system_memory();
  const uint64_t resident = resident_bytes();
  // Part of the resident pages belongs to others in this process, so this errs on the lenient side.
  const uint64_t untouched = promised - std::min(promised, resident);
  const uint64_t kept = untouched + std::min(kReserve, memory.total / 16);
  limit_of_caches.store(memory.total / 2, std::memory_order_relaxed);
  return memory.available - std::min(memory.available, kept);
}

}  // namespace

bool within_budget(size_t size, uint64_t promised) {
  const auto bytes = static_cast<int64_t>(size);
  if (size <= kMaxSize && now() < valid_until.load(std::memory_order_relaxed) &&
      allowance.fetch_sub(bytes, std::memory_order_relaxed) >= bytes) {
    return true;
  }
  const uint64_t available = read_available(promised);
  last_available.store(available, std::memory_order_relaxed);
  if (size > std::min<uint64_t>(available, kMaxSize)) {
    valid_until.store(0, std::memory_order_relaxed);
    return false;
  }
  allowance.store(static_cast<int64_t>((available - size) / kShare), std::memory_order_relaxed);
  valid_until.store(now() + kValidSeconds, std::memory_order_relaxed);
  return true;
}

uint64_t budget_available() { return last_available.load(std::memory_order_relaxed); }

uint64_t cache_limit() { return limit_of_caches.load(std::memory_order_relaxed); }

}  // namespace flambeau::inline v1::memory
