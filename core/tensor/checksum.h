// The checksum of archives.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flambeau::inline v1 {

// CRC-32 as zip files have it, going on from `crc`: that of what came before, 0 at first.
uint32_t crc32(uint32_t crc, const void* data, size_t bytes);

}  // namespace flambeau::inline v1
