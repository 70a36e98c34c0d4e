// Blocks straight from the system.
#pragma once

#include <cstddef>

namespace flambeau::inline v1::memory {

constexpr size_t kHugePage = size_t{2} << 20;

// `size` bytes aligned to 64, or nullptr. From 2 MiB on a mapping of its own that asks for huge
// pages, `size` then being a multiple of the page size; else from malloc.
void* system_allocate(size_t size) noexcept;
void system_release(void* block, size_t size) noexcept;

}  // namespace flambeau::inline v1::memory
