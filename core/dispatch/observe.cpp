#include "core/dispatch/observe.h"

#include <exception>
#include <vector>

namespace flambeau::inline v1 {

void push_observer(Ref<Observer> observer) {
  thread_state.profilers.push(std::move(observer));
  thread_state.refresh(Key::profiler, thread_state.profilers);
}

void pop_observer() {
  const Ref<const Frame> top = thread_state.profilers.pop();
  check(bool(top), "there is no observer to remove");
  thread_state.refresh(Key::profiler, thread_state.profilers);
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

void call_observed(const Op& op, const Value* args, Results& results) {
  const Exclude off(bit(Key::profiler));
  // An observer that leaves the stack meanwhile is told of the end all the same.
  const Ref<const Frame> top(thread_state.profilers.top());
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
  attempt([&] {
    for (const Frame* frame = top.get(); frame; frame = frame->below()) {
      const auto* observer = static_cast<const Observer*>(frame);
      seen.push_back({observer, nullptr});
      try {
        seen.back().context = observer->begin(op, args);
      } catch (...) {
        seen.pop_back();
        throw;
      }
    }
    redispatch(op, args, results);
  });
  // Who was told of the begin is told of the end, whoever raised.
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
