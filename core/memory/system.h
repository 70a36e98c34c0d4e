// What the machine and the control groups (version 1 and 2) around this process allow. Each call
// reads the system's files anew, so that a changed limit is seen; it takes some 100 microseconds.
#pragma once

#include <cstdint>

namespace flambeau::inline v1::memory {

struct SystemMemory {
  uint64_t total;      // the machine's memory or the tightest group's limit
  uint64_t available;  // what can still be taken, reclaimable pages included, in all of them
};
SystemMemory system_memory();

uint64_t resident_bytes();  // private memory of this process that is backed by pages

double cpu_quota();  // in processors; infinity when there is no limit

}  // namespace flambeau::inline v1::memory
