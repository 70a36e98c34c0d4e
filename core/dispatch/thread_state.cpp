#include "core/dispatch/thread_state.h"

#include <utility>

namespace flambeau::inline v1 {

thread_local constinit ThreadState thread_state [[gnu::tls_model("initial-exec")]];
std::atomic<DType> detail::default_dtype{DType::float32};
std::atomic<KeySet> detail::everywhere{0};

void include_everywhere(KeySet keys) {
  detail::everywhere.fetch_or(keys, std::memory_order_relaxed);
}

// ---- stacks

Frame::~Frame() {
  Ref<const Frame> next = std::move(below_);
  while (next && next->use_count() == 1) {
    Ref<const Frame> after = std::move(const_cast<Frame&>(*next).below_);
    next = std::move(after);
  }
}

const Frame* Stack::at(uint32_t index) const {
  const Frame* frame = top_;
  while (frame && frame->depth() > index + 1) frame = frame->below();
  return index < size() ? frame : nullptr;
}

void Stack::push(Ref<Frame> frame) {
  frame->depth_ = size() + 1;
  frame->below_ = Ref<const Frame>::adopt(top_);
  top_ = frame.forget();
}

Ref<const Frame> Stack::pop() {
  if (!top_) return nullptr;
  Ref<const Frame> top = Ref<const Frame>::adopt(top_);
  top_ = Ref<const Frame>(top->below()).forget();
  return top;
}

Ref<const Frame> Stack::exchange(Ref<const Frame> top) {
  return Ref<const Frame>::adopt(std::exchange(top_, top.forget()));
}

// ---- surroundings

const Surroundings& ThreadState::default_surroundings() {
  static const Surroundings* const made = [] {
    auto* s = new Surroundings;
    for (DType& dtype : s->autocast_dtype) dtype = DType::float16;
    s->autocast_dtype[static_cast<int>(DeviceType::cpu)] = DType::bfloat16;
    return s;
  }();
  return *made;
}

void ThreadState::set_surroundings(Ref<Surroundings> changed) {
  const Ref<const Surroundings> before =
      Ref<const Surroundings>::adopt(std::exchange(surroundings_, changed.forget()));
}

// ---- snapshots

namespace {

constexpr Stack ThreadState::* kStacks[] = {
    &ThreadState::dispatch_modes, &ThreadState::function_modes, &ThreadState::saved_tensor_hooks,
    &ThreadState::profilers, &ThreadState::captures};

// All that a state counts.
template <class F>
void each_counted(const ThreadState& state, F&& f) {
  for (const auto stack : kStacks)
    if (const Frame* top = (state.*stack).top()) f(*top);
  if (state.level) f(*state.level);
  if (state.surroundings_) f(*state.surroundings_);
}

void retain(const ThreadState& state) {
  each_counted(state, [](const Counted& c) { c.retain(); });
}

// What a frame held may run Python, which may look at this thread's state: all is put right first.
void release(const ThreadState& state) {
  each_counted(state, [](const Counted& c) { c.release(); });
}

}  // namespace

ThreadSnapshot::ThreadSnapshot(const ThreadState& state) : state_(state) { retain(state_); }

ThreadSnapshot::~ThreadSnapshot() { release(state_); }

void ThreadSnapshot::restore() const {
  retain(state_);
  const ThreadState before = std::exchange(thread_state, state_);
  release(before);
}

}  // namespace flambeau::inline v1
