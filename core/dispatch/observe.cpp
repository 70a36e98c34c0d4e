#include "core/dispatch/observe.h"

#include <exception>
#include <mutex>
#include <vector>

namespace flambeau::inline v1 {

thread_local constinit const Op* observed_op [[gnu::tls_model("initial-exec")]] = nullptr;

namespace {

constexpr KeySet kObserved = bit(Key::profiler);

// The layer is on while there are observers; see Note [Observers of ops].
void refresh_observers() {
  thread_state.refresh(Key::profiler, thread_state.profilers);
  thread_state.included &= ~kRegistered;
  for (const Frame* f = thread_state.profilers.top(); f; f = f->below())
    if (!static_cast<const Observer*>(f)->measures()) thread_state.included |= kRegistered;
}

// Held by pointer and never freed: threads that end late may still look.
struct OfAllThreads {
  std::mutex mutex;
  Ref<const Observer> observer;
};
OfAllThreads& of_all_threads() {
  static OfAllThreads* const made = new OfAllThreads;
  return *made;
}

}  // namespace

void push_observer(Ref<Observer> observer) {
  thread_state.profilers.push(std::move(observer));
  refresh_observers();
}

void pop_observer() {
  const Ref<const Frame> top = thread_state.profilers.pop();
  check(bool(top), "there is no observer to remove");
  refresh_observers();
}

void observe_all_threads(Ref<const Observer> observer) {
  OfAllThreads& all = of_all_threads();
  const std::lock_guard lock(all.mutex);
  check(!observer || !all.observer, "all threads are observed already");
  std::swap(all.observer, observer);
  if (all.observer)
    detail::everywhere.fetch_or(kObserved, std::memory_order_relaxed);
  else
    detail::everywhere.fetch_and(~kObserved, std::memory_order_relaxed);
}

Ref<const Observer> observer_of_all_threads() {
  if (!(detail::everywhere.load(std::memory_order_relaxed) & kObserved)) return {};
  const std::lock_guard lock(of_all_threads().mutex);
  return of_all_threads().observer;
}

void push_capture(Ref<Capture> capture) {
  thread_state.captures.push(std::move(capture));
  thread_state.refresh(Key::capture, thread_state.captures);
}

void pop_capture() {
  const Ref<const Frame> top = thread_state.captures.pop();
  check(bool(top), "there is no capture to remove");
  thread_state.refresh(Key::capture, thread_state.captures);
}

namespace {

// Scope of one op that observers were told of. Where one of them measures, the op's parts are
// calls that are told of too; the op itself, which the layers further in call again, is not.
class Observed {
 public:
  Observed(const Op& op, bool parts) : before_(observed_op) {
    observed_op = &op;
    if (!parts) thread_state.excluded |= kObserved;
  }
  ~Observed() { observed_op = before_; }
  Observed(const Observed&) = delete;

 private:
  const Op* const before_;
};

}  // namespace

void call_observed(const Op& op, const Value* args, Results& results) {
  // An observer that leaves the stack meanwhile is told of the end all the same.
  const Ref<const Frame> top(thread_state.profilers.top());
  const Ref<const Observer> of_all = observer_of_all_threads();
  struct Seen {
    const Observer* observer;
    std::unique_ptr<Counted> context;
  };
  std::vector<Seen> seen;
  std::exception_ptr raised;  // first
  const auto attempt = [&](auto&& what) {
    try {
      what();
    } catch (...) {
      if (!raised) raised = std::current_exception();
    }
  };
  const bool is_part = observed_op != nullptr;
  bool parts = false;
  const auto begin = [&](const Observer* observer) {
    parts |= observer->measures();
    if (is_part && !observer->measures()) return;
    seen.push_back({observer, nullptr});
    try {
      seen.back().context = observer->begin(op, args);
    } catch (...) {
      seen.pop_back();
      throw;
    }
  };
  attempt([&] {
    {
      const Exclude off(kObserved);
      if (of_all) begin(of_all.get());
      for (const Frame* frame = top.get(); frame; frame = frame->below())
        begin(static_cast<const Observer*>(frame));
    }
    const Exclude nothing(0);
    const Observed scope(op, parts);
    redispatch(op, args, results);
  });
  // Who was told of the begin is told of the end, whoever raised.
  const Exclude off(kObserved);
  for (auto s = seen.rbegin(); s != seen.rend(); ++s)
    attempt([&] { s->observer->end(s->context.get(), op, args, raised ? nullptr : &results); });
  if (raised) std::rethrow_exception(raised);
}

namespace {

// The top capture off the stack while it answers, so that what it calls goes to those below.
class WithoutTopCapture {
 public:
  WithoutTopCapture()
      : all_(thread_state.captures.exchange(
            Ref<const Frame>(thread_state.captures.top()->below()))) {
    thread_state.refresh(Key::capture, thread_state.captures);
  }
  ~WithoutTopCapture() {
    thread_state.captures.exchange(std::move(all_));
    thread_state.refresh(Key::capture, thread_state.captures);
  }
  const Capture& capture() const { return static_cast<const Capture&>(*all_); }

 private:
  Ref<const Frame> all_;
};

}  // namespace

void call_capture(const Op& op, const Value* args, Results& results) {
  if (!thread_state.captures) {
    const Exclude off(bit(Key::capture));
    return redispatch(op, args, results);
  }
  const WithoutTopCapture without;
  without.capture().call(op, args, results);
}

}  // namespace flambeau::inline v1
