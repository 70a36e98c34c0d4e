#include "core/dispatch/profile.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <chrono>

#include "core/autograd/engine.h"
#include "core/memory/allocator.h"

namespace flambeau::inline v1 {

std::unique_ptr<Counted> (*capture_stack)() = [] { return std::unique_ptr<Counted>(); };

namespace {

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

uint64_t this_thread() {
  thread_local const uint64_t number = static_cast<uint64_t>(syscall(SYS_gettid));
  return number;
}

int64_t bytes_now() { return static_cast<int64_t>(memory::stats().allocated_bytes); }

std::atomic<uint64_t> next_id{1};
std::atomic<uint32_t> forks{0};  // between this process and the first

// What this thread wrote to last.
struct LastLog {
  uint64_t profile;
  ProfileLog* log;
};
thread_local constinit LastLog last [[gnu::tls_model("initial-exec")]] = {0, nullptr};

struct Opened final : Counted {
  explicit Opened(Profile::Place place) : place(place) {}
  Profile::Place place;
};

void write_tensor(std::vector<int64_t>& out, const Tensor& t) {
  const IntSpan sizes = t.defined() ? t.sizes() : IntSpan();
  out.push_back(t.defined() ? static_cast<int64_t>(t.dtype()) : -1);
  out.push_back(static_cast<int64_t>(sizes.size()));
  out.insert(out.end(), sizes.begin(), sizes.end());
}

void write_argument(std::vector<int64_t>& out, const Value& v) {
  const auto tag = [&](ProfileTag t) { out.push_back(static_cast<int64_t>(t)); };
  const auto number = [&](const Scalar& s) {
    tag(s.is_boolean()    ? ProfileTag::boolean
        : s.is_floating() ? ProfileTag::floating
        : s.is_complex()  ? ProfileTag::other
                          : ProfileTag::integer);
    if (s.is_floating())
      out.push_back(std::bit_cast<int64_t>(s.to_double()));
    else if (!s.is_complex())
      out.push_back(s.to_int());
  };
  switch (v.tag) {
    case Value::Tag::tensor:
      tag(ProfileTag::tensor);
      return write_tensor(out, v.tensor());
    case Value::Tag::tensors:
      tag(ProfileTag::tensors);
      out.push_back(static_cast<int64_t>(v.tensors().size()));
      for (const Tensor& t : v.tensors()) write_tensor(out, t);
      return;
    case Value::Tag::integer:
      return number(Scalar(v.integer_));
    case Value::Tag::floating:
      return number(Scalar(v.floating_));
    case Value::Tag::boolean:
      return number(Scalar(v.boolean_));
    case Value::Tag::scalar:
      return number(*v.scalar_);
    case Value::Tag::integers:
      tag(ProfileTag::integers);
      out.push_back(static_cast<int64_t>(v.integers().size()));
      out.insert(out.end(), v.integers().begin(), v.integers().end());
      return;
    case Value::Tag::booleans:
      tag(ProfileTag::integers);
      out.push_back(static_cast<int64_t>(v.booleans().size()));
      out.insert(out.end(), v.booleans().begin(), v.booleans().end());
      return;
    default:
      tag(ProfileTag::other);
  }
}

}  // namespace

Profile::Profile(const ProfileOptions& options)
    : options_(options),
      id_(next_id.fetch_add(1, std::memory_order_relaxed)),
      forks_(forks.load(std::memory_order_relaxed)) {
  static const bool counts = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); }) == 0;
  static_cast<void>(counts);
}

bool Profile::is_over() const {
  return stopped_.load(std::memory_order_acquire) ||
         forks.load(std::memory_order_relaxed) != forks_;
}

ProfileLog* Profile::log() const {
  if (is_over()) return nullptr;
  if (last.profile == id_) return last.log;
  const std::lock_guard lock(mutex_);
  if (is_over()) return nullptr;  // and who reads the logs finds no new one
  ProfileLog* found = nullptr;
  for (ProfileLog& log : logs_)
    if (log.thread == this_thread()) found = &log;
  if (!found) found = &logs_.emplace_back(this_thread());
  last = {id_, found};
  return found;
}

// Taken without the lock of the log, because it needs Python's. Within an op the program's line is
// that of the op.
std::unique_ptr<Counted> Profile::stack_for(const ProfileLog& log) const {
  if (!options_.stacks) return nullptr;
  {
    const std::lock_guard lock(log.mutex_);
    if (log.open_ >= 0 && log.events[log.open_].kind != ProfileEvent::Kind::range) return nullptr;
  }
  return capture_stack();
}

// The log is locked.
int32_t Profile::add(ProfileLog& log, ProfileEvent event, std::unique_ptr<Counted> stack) const {
  event.parent = log.open_;
  if (options_.memory) event.memory = bytes_now();
  log.open_ = static_cast<int32_t>(log.events.size());
  if (stack) {
    event.stack = static_cast<uint32_t>(log.stacks.size());
    log.stacks.push_back(std::move(stack));
  }
  event.begin = now();  // last, so that what is above is none of its time
  log.events.push_back(event);
  return log.open_;
}

std::unique_ptr<Counted> Profile::begin(const Op& op, const Value* args) const {
  ProfileLog* const log = this->log();
  if (!log) return nullptr;
  auto stack = stack_for(*log);
  const std::lock_guard lock(log->mutex_);
  if (is_over()) return nullptr;
  ProfileEvent event{ProfileEvent::Kind::op, op.name, &op, -1, 0, -1, -1, 0, 0, 0, 0};
  if (GradMode::enabled() && !thread_state.below_autograd)
    event.sequence = static_cast<int64_t>(peek_sequence_nr());
  if (options_.shapes) {
    event.arguments = static_cast<uint32_t>(log->numbers.size());
    for (size_t i = 0; i < op.nargs; ++i) write_argument(log->numbers, args[i]);
  }
  return std::make_unique<Opened>(Place{log, add(*log, event, std::move(stack))});
}

void Profile::end(Counted* context, const Op&, const Value*, Results*) const {
  if (context) close(static_cast<Opened&>(*context).place);
}

Profile::Place Profile::open(ProfileEvent::Kind kind, std::string_view name,
                             int64_t sequence) const {
  ProfileLog* const log = this->log();
  if (!log) return {};
  auto stack = stack_for(*log);
  const std::lock_guard lock(log->mutex_);
  if (is_over()) return {};
  auto kept = log->names_.find(name);
  if (kept == log->names_.end()) kept = log->names_.emplace(std::string(name), true).first;
  const ProfileEvent event{kind, kept->first.c_str(), nullptr, -1, 0, -1, sequence, 0, 0, 0, 0};
  return {log, add(*log, event, std::move(stack))};
}

void Profile::close(const Place& place) const {
  if (!place.log || is_over()) return;
  const int64_t end = now();  // first, so that what is below is none of its time
  ProfileLog& log = *place.log;
  const std::lock_guard lock(log.mutex_);
  if (stopped_.load(std::memory_order_acquire)) return;
  const int64_t bytes = options_.memory ? bytes_now() : 0;
  bool stands = false;  // among those that have not ended
  for (int32_t i = log.open_; i >= 0 && !stands; i = log.events[i].parent)
    stands = i == place.index;
  if (!stands) return;
  // What was opened inside of it and never closed ends with it.
  while (true) {
    const int32_t i = log.open_;
    log.events[i].end = end;
    log.events[i].freed = bytes;
    log.open_ = log.events[i].parent;
    if (i == place.index) break;
  }
}

void Profile::stop() const {
  const int64_t end = now();
  const std::lock_guard all(mutex_);
  stopped_.store(true, std::memory_order_release);
  for (ProfileLog& log : logs_) {
    const std::lock_guard lock(log.mutex_);
    for (; log.open_ >= 0; log.open_ = log.events[log.open_].parent) {
      log.events[log.open_].end = end;
      log.events[log.open_].freed = options_.memory ? bytes_now() : 0;
    }
  }
}

bool is_profiled() {
  return (thread_state.included | detail::everywhere.load(std::memory_order_relaxed)) &
         ~thread_state.excluded & bit(Key::profiler);
}

ProfileRange::ProfileRange(ProfileEvent::Kind kind, std::string_view name, int64_t sequence) {
  Profile::each([&](const Profile& profile) {
    open_.push_back({Ref<const Profile>(&profile), profile.open(kind, name, sequence)});
  });
}

void ProfileRange::close() {
  for (auto open = open_.rbegin(); open != open_.rend(); ++open) open->profile->close(open->place);
  open_.clear();
}

}  // namespace flambeau::inline v1
