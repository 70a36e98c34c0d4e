// Memory that processes share: many blocks in few segments, which have no names.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flambeau::inline v1::memory {

// What one user in this process has of a block.
struct SharedBlock;

// Where another process finds a block: the segment, by the process and the descriptor that it is
// open at there, and the place in it.
struct SharedTicket {
  uint64_t segment;
  int64_t process;
  int64_t descriptor;
  uint64_t offset;
  uint64_t serial;  // of the block's use: a place is used again
};

// At least `size` bytes, aligned to 64. Throws OutOfMemory, or std::runtime_error where the system
// gives no segment.
SharedBlock* shared_allocate(size_t size);
void* shared_data(SharedBlock* block);
void shared_release(SharedBlock* block) noexcept;

// A ticket is good for one shared_receive, in any process, as long as this one lives: until then
// the block is held for it. std::runtime_error where a ticket was used before, or is out of date.
SharedTicket shared_send(SharedBlock* block);
SharedBlock* shared_receive(const SharedTicket& ticket);

// Gives up what is kept open of processes that have ended.
void shared_trim() noexcept;
struct SharedStats {
  uint64_t segments;      // open here
  uint64_t blocks;        // in use here
  uint64_t cached_bytes;  // of own blocks that wait to be used again
};
SharedStats shared_stats();

}  // namespace flambeau::inline v1::memory
