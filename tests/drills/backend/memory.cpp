// Two devices of pages that nobody may touch, and what a device has to be able to do.
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>

#include "guarded.h"

using namespace flambeau;

namespace guarded {
namespace {

struct Block {
  size_t size;
  int index;
  int opened = 0;
};
std::mutex mutex;
std::map<const char*, Block> blocks;  // by their first byte

size_t whole_pages(size_t nbytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (nbytes + page - 1) / page * page;
}

// What was asked for, and that each came with the stream of the thread that asked.
std::atomic<size_t> allocations{0}, copies{0}, host_copies{0}, strays{0};
thread_local uint64_t current_streams[2] = {};

void see(int index, uint64_t stream) { strays += current_streams[index] != stream; }

std::atomic<bool> starves{false};

void* allocate(size_t nbytes, int index, uint64_t stream) {
  see(index, stream);
  if (nbytes == 0 || starves) return nullptr;
  ++allocations;
  const size_t size = whole_pages(nbytes);
  void* const block = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) throw memory::OutOfMemory(nbytes, 0);
  const std::lock_guard lock(mutex);
  blocks[static_cast<char*>(block)] = {size, index};
  return block;
}

void free_block(void* data, size_t, int index, uint64_t stream) noexcept {
  see(index, stream);
  if (!data) return;
  size_t size;
  {
    const std::lock_guard lock(mutex);
    const auto it = blocks.find(static_cast<char*>(data));
    size = it->second.size;
    blocks.erase(it);
  }
  munmap(data, size);
}

void copy(void* to, Device to_device, const void* from, Device from_device, size_t nbytes,
          uint64_t stream) {
  see(from_device.is_cpu() ? to_device.index : from_device.index, stream);
  ++copies;
  host_copies += to_device.is_cpu() || from_device.is_cpu();
  std::optional<Open> target, source;
  if (!to_device.is_cpu()) target.emplace(to);
  if (!from_device.is_cpu()) source.emplace(from);
  std::memmove(to, from, nbytes);
}

void fill(void* data, uint8_t byte, size_t nbytes, int index, uint64_t stream) {
  see(index, stream);
  const Open open(data);
  std::memset(data, byte, nbytes);
}

std::atomic<int> device{0};

Generator& generator(int index) {
  static Generator own[2];
  return own[index];
}

// Work is done at once here, so a queue is a number, and a mark remembers when it was made.
std::atomic<uint64_t> streams{0}, synchronized{0};

const DeviceTable::Streams stream_table = {
    [](int index) { return current_streams[index]; },
    [](int index, uint64_t stream) { current_streams[index] = stream; },
    [](int, int) { return ++streams; },
    [](int, uint64_t) { return true; },
    [](int, uint64_t) { ++synchronized; },
};

struct Mark {
  uint64_t at = 0, stream = 0;
};
std::map<std::pair<uint64_t, uint64_t>, int> waits;  // of the first for the second
std::atomic<uint64_t> ticks{0};
const DeviceTable::Events event_table = {
    [](int) -> void* { return new Mark; },
    [](void* event) noexcept { delete static_cast<Mark*>(event); },
    [](void* event, int, uint64_t stream) { *static_cast<Mark*>(event) = {++ticks, stream}; },
    [](void* event, int, uint64_t stream) {
      const std::lock_guard lock(mutex);
      ++waits[{stream, static_cast<Mark*>(event)->stream}];
    },
    [](void*) { return true; },
    [](void*) {},
    [](void* event, void* later) {
      return static_cast<double>(static_cast<Mark*>(later)->at - static_cast<Mark*>(event)->at);
    },
};

const DeviceTable table = {[] { return 2; },
                           [] { return device.load(); },
                           [](int index) { device = index; },
                           allocate,
                           free_block,
                           copy,
                           fill,
                           &stream_table,
                           &event_table,
                           generator};

}  // namespace

Open::Open(const void* address) {
  const std::lock_guard lock(mutex);
  auto it = blocks.upper_bound(static_cast<const char*>(address));
  if (it == blocks.begin() || static_cast<const char*>(address) >= (--it)->first + it->second.size)
    throw Error("guarded: an address that is not on the device");
  block_ = const_cast<char*>(it->first);
  if (it->second.opened++ == 0) mprotect(block_, it->second.size, PROT_READ | PROT_WRITE);
}

Open::~Open() {
  const std::lock_guard lock(mutex);
  Block& block = blocks.find(static_cast<char*>(block_))->second;
  if (--block.opened == 0) mprotect(block_, block.size, PROT_NONE);
}

void register_memory() { register_device(DeviceType::private_use1, table); }

}  // namespace guarded

extern "C" {
void guarded_starve(int yes) { guarded::starves = yes != 0; }
void guarded_register() {
  guarded::register_memory();
  guarded::register_kernels();
  guarded::register_layouts();
}
size_t guarded_synchronized() { return guarded::synchronized; }
size_t guarded_allocations() { return guarded::allocations; }
size_t guarded_copies() { return guarded::copies; }
size_t guarded_host_copies() { return guarded::host_copies; }
size_t guarded_strays() { return guarded::strays; }
int guarded_waits(uint64_t stream, uint64_t other) {
  const std::lock_guard lock(guarded::mutex);
  return guarded::waits[{stream, other}];
}
size_t guarded_blocks() {
  const std::lock_guard lock(guarded::mutex);
  return guarded::blocks.size();
}
}
