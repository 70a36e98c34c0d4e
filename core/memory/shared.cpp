#include "core/memory/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/memory/allocator.h"
#include "core/memory/budget.h"
#include "core/memory/size_class.h"

namespace flambeau::inline v1::memory {
namespace {

// Note [Shared memory]
// A segment is a file without a name (memfd), mapped by all who use it: the system frees it with
// the last process, however that ends. Its owner alone allocates in it; who receives a block maps
// the segment once, from /proc/<sender>/fd. How many use a block, and how many tickets to it are
// under way, is counted in the block's own header, so the owner sees when its place is free again.
//
// A forked child is not counted: it may end at any time without a word. So what it shares with its
// parent is never used again: the parent allocates in new segments from then on, and leaves the old
// ones to the system once it uses nothing in them. Blocks of other owners that the parent uses are
// counted once more for the child.

constexpr uint64_t kMagic = 0x31656d61657262ull;
constexpr size_t kPage = 4096;
constexpr size_t kSegment = size_t{256} << 20;       // addresses; pages come when they are touched
constexpr uint64_t kKeptBytes = uint64_t{64} << 20;  // of free blocks; beyond, their pages go back
constexpr size_t kKeptSegments = 16;                 // of other owners, unused

struct SegmentHeader {
  uint64_t magic, key;
  std::atomic<uint32_t> closed;  // its owner uses it no more
};

// Users, tickets under way and the serial number, in one word.
constexpr uint64_t kUser = 1, kTicket = uint64_t{1} << 20, kSerial = uint64_t{1} << 40;
constexpr uint64_t kCount = kTicket - 1;
constexpr uint64_t users(uint64_t state) { return state & kCount; }
constexpr uint64_t tickets(uint64_t state) { return state / kTicket & kCount; }
constexpr uint64_t serial(uint64_t state) { return state / kSerial; }

struct alignas(64) BlockHeader {
  std::atomic<uint64_t> state;
  uint64_t size_class;  // read by the owner only, as what follows
  bool waits;           // for other processes to be done with it
};
static_assert(sizeof(BlockHeader) == kAlignment && std::atomic<uint64_t>::is_always_lock_free);

enum class Kind { own, foreign, inherited };

struct Segment {
  char* base;
  size_t size;
  int descriptor;
  uint64_t key;
  pid_t opened_from;  // of a foreign one
  Kind kind;
  bool retired = false;    // nothing in it is used again
  bool whole = false;      // one block has all of it
  bool forwarded = false;  // others may come for it here
  size_t used = kPage;     // own: bytes handed out so far
  size_t live = 0;         // own: blocks that somebody uses
  size_t handles = 0;      // users in this process

  SegmentHeader& header() const { return *reinterpret_cast<SegmentHeader*>(base); }
  BlockHeader& block(size_t offset) const { return *reinterpret_cast<BlockHeader*>(base + offset); }
};

struct Place {
  Segment* segment;
  size_t offset;
  BlockHeader& header() const { return segment->block(offset); }
};

}  // namespace

struct SharedBlock {
  Place place;
  bool counted;
  SharedBlock *next, *previous;
};

namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("shared memory: " + what + ": " + strerror(errno));
}

size_t whole_pages(size_t size) { return (size + kPage - 1) / kPage * kPage; }

class Arena {
 public:
  std::mutex mutex;

  SharedBlock* allocate(size_t size);
  SharedBlock* receive(const SharedTicket& ticket);
  SharedTicket send(SharedBlock* block);
  void release(SharedBlock* block) noexcept;
  void close_unused(size_t keep) noexcept;
  SharedStats stats() const { return {segments_.size(), blocks_, free_bytes_}; }

  void before_fork();
  void after_fork_in_child();

 private:
  SharedBlock* handle(Place place, bool counted);
  Place take(size_t c);
  Segment* open_own(size_t size);
  Segment* open_foreign(const SharedTicket& ticket);
  void close(Segment* segment) noexcept;
  void sweep(size_t most);
  void settle(Place place);
  void reuse(Place place);

  std::unordered_map<uint64_t, Segment*> segments_;
  Segment* current_ = nullptr;
  std::vector<Place> free_[kClasses];
  std::deque<Place> waiting_;
  SharedBlock* first_ = nullptr;
  size_t blocks_ = 0;
  uint64_t free_bytes_ = 0;
};

// Never destroyed: tensors may die after it would be.
Arena& arena() {
  static Arena& the = *new Arena;
  return the;
}
[[maybe_unused]] const int fork_handlers = pthread_atfork(
    [] {
      arena().mutex.lock();
      arena().before_fork();
    },
    [] { arena().mutex.unlock(); },
    [] {
      arena().after_fork_in_child();
      arena().mutex.unlock();
    });

SharedBlock* Arena::handle(Place place, bool counted) {
  auto* const made = new SharedBlock{place, counted, first_, nullptr};
  if (first_) first_->previous = made;
  first_ = made;
  ++place.segment->handles;
  ++blocks_;
  return made;
}

Segment* Arena::open_own(size_t size) {
  uint64_t key;
  if (getrandom(&key, sizeof key, 0) != sizeof key) fail("no random key for a segment");
  const int descriptor = memfd_create("flambeau", MFD_CLOEXEC);
  if (descriptor < 0) fail("no segment can be made");
  void* base = MAP_FAILED;
  if (ftruncate(descriptor, static_cast<off_t>(size)) == 0)
    base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (base == MAP_FAILED) {
    ::close(descriptor);
    fail("a segment of " + std::to_string(size) + " bytes cannot be made");
  }
  auto* const segment = new Segment{static_cast<char*>(base), size, descriptor, key, 0, Kind::own};
  segment->header().key = key;
  segment->header().magic = kMagic;
  segments_[key] = segment;
  return segment;
}

Segment* Arena::open_foreign(const SharedTicket& ticket) {
  const std::string path =
      "/proc/" + std::to_string(ticket.process) + "/fd/" + std::to_string(ticket.descriptor);
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat status;
  void* base = MAP_FAILED;
  if (descriptor >= 0 && fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
      status.st_size >= static_cast<off_t>(kPage))
    base = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ | PROT_WRITE, MAP_SHARED,
                descriptor, 0);
  if (base == MAP_FAILED) {
    const int why = errno;
    if (descriptor >= 0) ::close(descriptor);
    errno = why;
    if (why == EMFILE || why == ENFILE) fail("a tensor of another process cannot be opened");
    fail("the process " + std::to_string(ticket.process) +
         " that sent a tensor cannot be asked for it: it has to stay alive until the tensor is "
         "received");
  }
  auto* const segment =
      new Segment{static_cast<char*>(base), static_cast<size_t>(status.st_size), descriptor,
                  ticket.segment,           static_cast<pid_t>(ticket.process),  Kind::foreign};
  if (segment->header().magic != kMagic || segment->header().key != ticket.segment) {
    munmap(base, segment->size);
    ::close(descriptor);
    delete segment;
    throw std::runtime_error("shared memory: process " + std::to_string(ticket.process) +
                             " no longer has the tensor that it sent");
  }
  segments_[ticket.segment] = segment;
  return segment;
}

void Arena::close(Segment* segment) noexcept {
  if (segment->kind == Kind::own) {
    segment->header().closed.store(1, std::memory_order_release);
    // What others keep open of it holds no memory any more, unless a child may look at it.
    if (!segment->retired && ftruncate(segment->descriptor, kPage) != 0) errno = 0;
  }
  if (current_ == segment) current_ = nullptr;
  segments_.erase(segment->key);
  munmap(segment->base, segment->size);
  ::close(segment->descriptor);
  delete segment;
}

// Foreign and inherited segments that nobody here uses: at most `keep` stay, and none whose owner
// has closed it or whose sender has ended.
void Arena::close_unused(size_t keep) noexcept {
  std::vector<Segment*> unused;
  for (const auto& [key, segment] : segments_)
    if (segment->kind != Kind::own && segment->handles == 0) unused.push_back(segment);
  size_t kept = 0;
  for (Segment* segment : unused) {
    const bool over = segment->kind == Kind::inherited || segment->header().closed.load() != 0 ||
                      (kill(segment->opened_from, 0) != 0 && errno == ESRCH);
    if (segment->forwarded) continue;
    if (over || ++kept > keep) close(segment);
  }
}

void Arena::reuse(Place place) {
  Segment* const segment = place.segment;
  --segment->live;
  if (segment->whole || segment->retired) {
    if (segment->live == 0) close(segment);
    return;
  }
  const size_t c = place.header().size_class, size = class_size(c);
  if (free_bytes_ + size > kKeptBytes && size > kPage * 4) {
    const size_t begin = whole_pages(place.offset + sizeof(BlockHeader));
    const size_t end = (place.offset + size) / kPage * kPage;
    if (fallocate(segment->descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(begin), static_cast<off_t>(end - begin)) != 0)
      errno = 0;  // they stay, which costs memory and nothing else
  }
  free_bytes_ += size;
  free_[c].push_back(place);
}

// After a user has gone: the place is free, or waits until others are done with it.
void Arena::settle(Place place) {
  BlockHeader& header = place.header();
  if (header.waits) return;  // it is looked at later
  const uint64_t state = header.state.load(std::memory_order_acquire);
  if (users(state) == 0 && tickets(state) == 0) {
    reuse(place);
  } else {
    header.waits = true;
    waiting_.push_back(place);
  }
}

void Arena::sweep(size_t most) {
  for (size_t i = std::min(most, waiting_.size()); i > 0; --i) {
    const Place place = waiting_.front();
    waiting_.pop_front();
    place.header().waits = false;
    settle(place);
  }
}

Place Arena::take(size_t c) {
  std::vector<Place>& list = free_[c];
  if (!list.empty()) {
    const Place place = list.back();
    list.pop_back();
    free_bytes_ -= class_size(c);
    return place;
  }
  const size_t size = class_size(c);
  if (size + kPage > kSegment) {
    Segment* const segment = open_own(whole_pages(size) + kPage);
    segment->whole = true;
    return {segment, kPage};
  }
  if (!current_ || current_->used + size > current_->size) {
    sweep(waiting_.size());
    if (!list.empty()) return take(c);
    current_ = open_own(kSegment);
  }
  const Place place{current_, current_->used};
  current_->used += size;
  return place;
}

SharedBlock* Arena::allocate(size_t size) {
  sweep(16);
  const size_t c = size_class(size + sizeof(BlockHeader));
  const Place place = take(c);
  BlockHeader& header = place.header();
  header.size_class = c;
  header.waits = false;
  const uint64_t before = header.state.load(std::memory_order_relaxed);
  header.state.store((serial(before) + 1) * kSerial + kUser, std::memory_order_release);
  ++place.segment->live;
  return handle(place, true);
}

SharedTicket Arena::send(SharedBlock* block) {
  BlockHeader& header = block->place.header();
  const uint64_t before = header.state.fetch_add(kTicket, std::memory_order_acq_rel);
  if (tickets(before) == kCount) {
    header.state.fetch_sub(kTicket);
    throw std::runtime_error("shared memory: one tensor was sent a million times unread");
  }
  Segment* const segment = block->place.segment;
  segment->forwarded = segment->kind != Kind::own;
  return {segment->key, getpid(), segment->descriptor, block->place.offset, serial(before)};
}

SharedBlock* Arena::receive(const SharedTicket& ticket) {
  const auto found = segments_.find(ticket.segment);
  if (found == segments_.end()) close_unused(kKeptSegments);
  Segment* const segment = found != segments_.end() ? found->second : open_foreign(ticket);
  if (ticket.offset < kPage || ticket.offset % kAlignment ||
      ticket.offset > segment->size - sizeof(BlockHeader))
    throw std::runtime_error("shared memory: a damaged message");
  BlockHeader& header = segment->block(ticket.offset);
  uint64_t state = header.state.load(std::memory_order_acquire);
  do {
    if (serial(state) != ticket.serial || tickets(state) == 0)
      throw std::runtime_error(
          "shared memory: this message was read before: what is sent once can be received once");
    if (users(state) == kCount)
      throw std::runtime_error("shared memory: one tensor has a million users");
  } while (!header.state.compare_exchange_weak(state, state - kTicket + kUser,
                                               std::memory_order_acq_rel));
  return handle({segment, ticket.offset}, true);
}

void Arena::release(SharedBlock* block) noexcept {
  (block->previous ? block->previous->next : first_) = block->next;
  if (block->next) block->next->previous = block->previous;
  --blocks_;
  const Place place = block->place;
  Segment* const segment = place.segment;
  --segment->handles;
  if (block->counted) place.header().state.fetch_sub(kUser, std::memory_order_acq_rel);
  delete block;
  if (segment->kind == Kind::own) {
    settle(place);
  } else if (segment->handles == 0 && !segment->forwarded &&
             (segment->kind == Kind::inherited || segment->header().closed.load() != 0)) {
    close(segment);
  }
}

void Arena::before_fork() {
  for (SharedBlock* b = first_; b; b = b->next) {
    Segment* const segment = b->place.segment;
    if (segment->kind == Kind::own) {
      segment->retired = true;
      if (current_ == segment) current_ = nullptr;
    } else if (segment->kind == Kind::foreign && b->counted) {
      b->place.header().state.fetch_add(kUser, std::memory_order_acq_rel);
    }
  }
  for (size_t c = 0; c < kClasses; ++c)
    std::erase_if(free_[c], [&](const Place& place) {
      if (place.segment->retired) free_bytes_ -= class_size(c);
      return place.segment->retired;
    });
}

void Arena::after_fork_in_child() {
  for (auto& list : free_) list.clear();
  free_bytes_ = 0;
  waiting_.clear();
  current_ = nullptr;
  for (SharedBlock* b = first_; b; b = b->next)
    if (b->place.segment->kind != Kind::foreign) b->counted = false;
  std::vector<Segment*> unused;
  for (const auto& [key, segment] : segments_) {
    if (segment->kind == Kind::own) segment->kind = Kind::inherited;
    segment->forwarded = false;
    if (segment->handles == 0) unused.push_back(segment);
  }
  for (Segment* segment : unused) close(segment);
}

}  // namespace

SharedBlock* shared_allocate(size_t size) {
  // Without the lock: whoever forks takes the allocator's and this one in any order.
  if (size > kMaxSize / 2 || !within_budget(size, memory::stats().allocated_bytes))
    throw OutOfMemory(size, budget_available());
  const std::lock_guard lock(arena().mutex);
  return arena().allocate(size);
}
void* shared_data(SharedBlock* block) {
  return block->place.segment->base + block->place.offset + sizeof(BlockHeader);
}
void shared_release(SharedBlock* block) noexcept {
  const std::lock_guard lock(arena().mutex);
  arena().release(block);
}
SharedTicket shared_send(SharedBlock* block) {
  const std::lock_guard lock(arena().mutex);
  return arena().send(block);
}
SharedBlock* shared_receive(const SharedTicket& ticket) {
  const std::lock_guard lock(arena().mutex);
  return arena().receive(ticket);
}
void shared_trim() noexcept {
  const std::lock_guard lock(arena().mutex);
  arena().close_unused(kKeptSegments);
}
SharedStats shared_stats() {
  const std::lock_guard lock(arena().mutex);
  return arena().stats();
}

}  // namespace flambeau::inline v1::memory
