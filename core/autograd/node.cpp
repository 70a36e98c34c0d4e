#include "core/autograd/node.h"

#include <sched.h>

#include "core/autograd/engine.h"
#include "core/parallel/spin.h"
#include "core/tensor/device_table.h"

namespace flambeau::inline v1 {

std::unique_ptr<Anomaly> (*make_anomaly)() = [] { return std::make_unique<Anomaly>(); };
void (*call_unlocked)(void (*f)(void*), void*) = [](void (*f)(void*), void* context) {
  f(context);
};

namespace {

thread_local constinit uint64_t next_sequence_nr [[gnu::tls_model("initial-exec")]] = 0;

}  // namespace

uint64_t peek_sequence_nr() { return next_sequence_nr; }

void SpinLock::wait() {
  for (int round = 0; held_.exchange(true, std::memory_order_acquire); ++round) {
    if (round < 64)
      relax_cpu();
    else
      sched_yield();
  }
}

thread_local constinit bool Node::running_partial_backward [[gnu::tls_model("initial-exec")]] =
    false;

void (*Node::twin_shared)(Node*, bool) = nullptr;

Node::~Node() = default;

void Node::reserve_edges(size_t n) {
  if (n <= edge_capacity_) return;
  auto block = std::make_unique<Edge[]>(n);
  for (uint32_t i = 0; i < num_edges_; ++i) block[i] = std::move(edges()[i]);
  heap_edges_ = std::move(block);
  edge_capacity_ = static_cast<uint32_t>(n);
}

uint32_t Node::new_input() {
  if (num_inputs_ > 0) more_inputs_.emplace_back();
  return num_inputs_++;
}

Node::Node() = default;

uint32_t Node::add_input(const Tensor& forward_output) {
  const uint32_t i = new_input();
  InputMeta& meta = input_meta(i);
  meta.sizes.assign(forward_output.sizes());
  meta.dtype = forward_output.dtype();
  meta.device = forward_output.device();
  meta.defined = true;
  if (forward_output.keys() & (kPythonDispatch | bit(Key::backend))) [[unlikely]]
    note_kind(forward_output, meta);
  return i;
}

void Node::note_kind(const Tensor& forward_output, InputMeta& meta) {
  meta.subclass = forward_output.keys() & kPythonDispatch;
  const DeviceTable* const table = device_table(meta.device.type);
  if (has_queue_ || !table || !table->stream) return;
  hooks().queue = {meta.device, current_stream(meta.device)};
  has_queue_ = true;
}

uint32_t Node::add_undefined_input() { return new_input(); }

bool Node::try_retain() {
  uint32_t n = refs_.load(std::memory_order_relaxed);
  while (n != 0)
    if (refs_.compare_exchange_weak(n, n + 1, std::memory_order_relaxed)) return true;
  return false;
}

// A node that dies while another is being freed waits in a list, linked through `owner`, which the
// dead have no use for.
void Node::destroy(Node* node) {
  struct Dying {
    Node* first;
    bool busy;
  };
  thread_local constinit Dying dying [[gnu::tls_model("initial-exec")]] = {nullptr, false};
  if (dying.busy) {
    node->owner = dying.first;
    dying.first = node;
    return;
  }
  dying.busy = true;
  while (node) {
    delete node;
    node = dying.first;
    if (node) dying.first = node->owner;
  }
  dying.busy = false;
}

bool Node::in_partial_backward(size_t i) const {
  // The gradient of a CopySlices' first edge is what its inner node gives for its own.
  const Node& at = i == 0 && owner ? *owner : *this;
  return will_execute(at.edge(i).node.get());
}

void begin_node(Node& node) {
  node.sequence_nr = next_sequence_nr++;
  if (thread_state.anomaly_mode) [[unlikely]] {
    node.anomaly = make_anomaly();
    node.anomaly->store_stack();
    node.anomaly->set_parent(current_node());
  }
}

std::string forward_place(const Node& node) {
  return node.anomaly ? node.anomaly->where() : std::string();
}

std::string_view forward_name(const Node& node) {
  std::string_view name = node.name();
  const size_t at = name.rfind("Backward");
  if (at == 0 || at == std::string_view::npos) return name;
  if (name.find_first_not_of("0123456789", at + 8) != std::string_view::npos) return name;
  return name.substr(0, at);
}

}  // namespace flambeau::inline v1
