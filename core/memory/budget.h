// Keeps requests within the memory that the system can still give: Linux hands out addresses
// freely and kills the process once their pages are touched.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flambeau::inline v1::memory {

// Never true of more than kMaxSize. `promised` is what this process has handed out or caches; its
// pages may not exist yet. True when `size` more bytes fit. Reads the system's figures only now and
// then, unless `size` is a large part of what was left.
bool within_budget(size_t size, uint64_t promised);

// What was left when the figures were last read.
uint64_t budget_available();

// How much memory may lie unused in caches: a half of all that this process may have.
uint64_t cache_limit();

}  // namespace flambeau::inline v1::memory
