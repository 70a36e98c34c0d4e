#pragma once

#include <cstdint>

namespace flambeau::inline v1 {

// The bytes that the last-level caches of the processors of `threads` threads hold together; a
// guess where the system does not tell.
int64_t last_level_cache_bytes(int threads);

}  // namespace flambeau::inline v1
