#include "core/autograd/engine.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>
#include <thread>

#include "core/autograd/accumulate.h"
#include "core/autograd/arithmetic.h"
#include "core/dispatch/profile.h"
#include "core/tensor/device_table.h"
#include "core/tensor/rearrange.h"

namespace flambeau::inline v1 {
namespace {

// Backward within backward recurses on the stack up to here, then goes on in a thread of its own.
constexpr int kMaxDepth = 40;
// All threads together: what nests deeper than this is a hook that never ends.
constexpr int kMaxThreads = 250;

struct EngineThread {
  GraphTask* task;
  Node* node;
  int depth;
  int threads;  // that wait for this one
};
thread_local constinit EngineThread here
    [[gnu::tls_model("initial-exec")]] = {nullptr, nullptr, 0, 0};

std::atomic<int64_t> next_task_id{0};

}  // namespace

GraphTask* GraphTask::current() { return here.task; }
Node* GraphTask::running_node() { return here.node; }
int GraphTask::depth() { return here.depth; }

// ---- the graph

GraphTask::GraphTask(std::span<const Edge> roots, std::span<const Edge> inputs,
                     const BackwardOptions& options)
    : roots_(roots),
      options_(options),
      partial_(!inputs.empty()),
      id_(next_task_id.fetch_add(1, std::memory_order_relaxed)),
      outer_(here.task),
      outer_node_(here.node),
      partial_before_(Node::running_partial_backward) {
  visit_graph();
  if (partial_) select(inputs);
  here.task = this;
  here.node = nullptr;
  ++here.depth;
  Node::running_partial_backward = partial_;
}

GraphTask::~GraphTask() {
  here.task = outer_;
  here.node = outer_node_;
  --here.depth;
  Node::running_partial_backward = partial_before_;
  state_before_.restore();
  if (slots_ != inline_slots_) std::free(slots_);
}

namespace {

size_t hash(const Node* node) {
  return (reinterpret_cast<uintptr_t>(node) >> 4) * 0x9E3779B97F4A7C15u >> 20;
}

}  // namespace

uint32_t GraphTask::find(const Node* node) const {
  auto& states = const_cast<GraphTask*>(this)->states_;
  for (size_t at = hash(node) & mask_; slots_[at]; at = (at + 1) & mask_)
    if (states[slots_[at] - 1].node == node) return slots_[at] - 1;
  return kNone;
}

uint32_t GraphTask::find_or_add(Node* node) {
  size_t at = hash(node) & mask_;
  for (; slots_[at]; at = (at + 1) & mask_)
    if (states_[slots_[at] - 1].node == node) return slots_[at] - 1;
  states_.push().node = node;
  slots_[at] = static_cast<uint32_t>(states_.size());
  const uint32_t index = slots_[at] - 1;
  if (2 * states_.size() > mask_) rehash();
  return index;
}

void GraphTask::rehash() {
  const size_t capacity = 4 * (mask_ + 1);
  auto* slots = static_cast<uint32_t*>(std::calloc(capacity, sizeof(uint32_t)));
  if (!slots) throw std::bad_alloc();
  if (slots_ != inline_slots_) std::free(slots_);
  slots_ = slots;
  mask_ = capacity - 1;
  for (uint32_t i = 0; i < states_.size(); ++i) {
    size_t at = hash(states_[i].node) & mask_;
    while (slots_[at]) at = (at + 1) & mask_;
    slots_[at] = i + 1;
  }
}

void GraphTask::visit_graph() {
  for (const Edge& root : roots_) ++states_[find_or_add(root.node.get())].dependencies;
  for (uint32_t i = 0; i < states_.size(); ++i) {
    const Node* node = states_[i].node;
    states_[i].first_target = static_cast<uint32_t>(targets_.size());
    states_[i].needed = true;
    for (size_t e = 0; e < node->num_edges(); ++e) {
      Node* next = node->edge(e).node.get();
      const uint32_t target = next ? find_or_add(next) : kNone;
      targets_.push() = target;
      if (next) ++states_[target].dependencies;
    }
  }
}

// Only what leads to the inputs is needed: a depth-first walk, children before parents.
void GraphTask::select(std::span<const Edge> inputs) {
  for (NodeState& s : states_) s.needed = false;
  if (!options_.accumulate) captured_.resize(inputs.size());
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    const uint32_t at = inputs[i].valid() ? find(inputs[i].node.get()) : kNone;
    if (at == kNone) continue;
    if (options_.accumulate) {
      states_[at].needed = true;
    } else {
      captures_.push() = {inputs[i].input, i, states_[at].first_capture};
      states_[at].first_capture = static_cast<uint32_t>(captures_.size());
    }
  }
  struct Frame {
    uint32_t state, edge;
  };
  std::vector<bool> seen(states_.size());
  Stretch<Frame, kInlineNodes> stack;
  for (const Edge& root : roots_) {
    const uint32_t start = find(root.node.get());
    if (seen[start]) continue;
    seen[start] = true;
    stack.push() = {start, 0};
    while (!stack.empty()) {
      Frame& frame = stack.back();
      NodeState& s = states_[frame.state];
      if (frame.edge == s.node->num_edges()) {
        const bool wanted = s.wanted();
        stack.pop();
        if (wanted && !stack.empty()) states_[stack.back().state].needed = true;
        continue;
      }
      const uint32_t next = targets_[s.first_target + frame.edge++];
      if (next == kNone) continue;
      if (!seen[next]) {
        seen[next] = true;
        stack.push() = {next, 0};
      } else if (states_[next].wanted()) {
        s.needed = true;
      }
    }
  }
}

bool GraphTask::will_run(const Node* node) {
  const uint32_t at = node ? find(node) : kNone;
  return at != kNone && states_[at].wanted();
}

// Whether the pass may take long enough for others to be let in meanwhile.
bool GraphTask::large() {
  constexpr int64_t kNumel = 1 << 15;
  if (states_.size() > kInlineNodes) return true;
  for (NodeState& s : states_) {
    const size_t n = s.node->num_inputs();
    for (size_t i = 0; i < n; ++i) {
      int64_t numel = 1;
      for (const int64_t size : s.node->input_meta(i).sizes) numel *= size;
      if (numel > kNumel) return true;
    }
  }
  return false;
}

// ---- running it

void GraphTask::run(TensorSpan grads) {
  bool unlocked = options_.unlocked;
  if (options_.before_long_run && large()) {
    options_.before_long_run(options_.context);
    unlocked = true;
  }
  {
    const Computing scope(unlocked);
    for (size_t i = 0; i < roots_.size(); ++i)
      deliver(find(roots_[i].node.get()), roots_[i].input,
              validated(roots_[i], i, grads[i], nullptr));
  }
  const bool profiled = is_profiled();
  while (!ready_.empty()) {
    std::pop_heap(ready_.begin(), ready_.end());
    const uint32_t next = ready_.back().state;
    ready_.pop();
    const Computing scope(unlocked);
    if (states_[next].node->has_queue() || profiled) [[unlikely]]
      profiled ? evaluate_profiled(next) : evaluate_queued(next);
    else
      evaluate(next);
  }
  if (!queues_.empty()) [[unlikely]]
    end_queues();
  run_callbacks();
}

void GraphTask::deliver(uint32_t at, uint32_t input, Tensor grad) {
  NodeState& s = states_[at];
  if (!s.started) {
    s.started = true;
    if (s.node->num_inputs() > 1) s.many = std::make_unique<Tensor[]>(s.node->num_inputs());
  }
  if (grad.defined()) {
    if (s.node->has_queue()) [[unlikely]]
      add_queued(*s.node, s.grads()[input], std::move(grad));
    else
      accumulate_into(s.grads()[input], std::move(grad));
  }
  if (--states_[at].dependencies > 0) return;
  ready_.push() = {states_[at].node->sequence_nr, at};
  std::push_heap(ready_.begin(), ready_.end());
}

namespace {

void run_tensor_hooks(Node& node, Tensor* grads) {
  if (NodeHooks* hooks = node.hooks_if_any()) {
    // By index, because a hook may register others.
    for (size_t i = 0; i < hooks->tensor_pre.size(); ++i) {
      const auto [input, hook] = hooks->tensor_pre[i];
      hook->pre(&grads[input], 1);
    }
    for (size_t i = 0; i < hooks->retains_grad.size(); ++i) {
      const auto [input, hook] = hooks->retains_grad[i];
      hook->pre(&grads[input], 1);
    }
  }
}

void run_leaf_hooks(const AccumulateGrad& node, Tensor* grads) {
  const AutogradMeta* meta = node.variable.impl()->autograd.get();
  if (!meta || !meta->hooks) return;
  for (size_t i = 0; i < meta->hooks->pre.size(); ++i) {
    const Ref<NodeHook> hook = meta->hooks->pre[i];
    hook->pre(grads, 1);
  }
}

// Of the forward; a leaf's node was made by none.
int64_t sequence_of(const Node& node) {
  return node.sequence_nr == UINT64_MAX ? -1 : static_cast<int64_t>(node.sequence_nr);
}

void check_nan(const Node& node, const Tensor* out) {
  const GradMode off(false);
  for (size_t i = 0; i < node.num_edges(); ++i)
    if (out[i].defined() && arithmetic::has_nan(out[i]))
      raise("Function '", node.name(), "' returned nan values in its ", i, "th output.",
            forward_place(node));
}

}  // namespace

void GraphTask::capture(uint32_t at) {
  const Tensor* grads = states_[at].grads();
  for (uint32_t c = states_[at].first_capture; c;) {
    const Capture& one = captures_[c - 1];
    captured_[one.output] = grads[one.input];
    c = one.next;
  }
}

template <bool profiled>
void GraphTask::call(uint32_t at, Tensor* out) {
  Node& node = *states_[at].node;
  // A nested pass may not move the states, but a hook may hold on to the gradients.
  Tensor* grads = states_[at].grads();
  const size_t n = node.num_inputs(), n_out = node.num_edges();
  NodeHooks* hooks = node.hooks_if_any();
  if (hooks) [[unlikely]] {
    for (size_t i = 0; i < hooks->pre.size(); ++i) {
      const Ref<NodeHook> hook = hooks->pre[i];
      hook->pre(grads, n);
    }
  }
  if constexpr (profiled) {
    const ProfileRange range(ProfileEvent::Kind::node, node.name(), sequence_of(node));
    node.apply(grads, out);
  } else {
    node.apply(grads, out);
  }
  for (size_t i = 0; i < n_out; ++i)
    if (out[i].defined()) out[i] = validated(node.edge(i), i, std::move(out[i]), &node);
  hooks = node.hooks_if_any();
  if (hooks) [[unlikely]] {
    for (size_t i = 0; i < hooks->post.size(); ++i) {
      const Ref<NodeHook> hook = hooks->post[i];
      hook->post(grads, n, out, n_out);
    }
  }
  if (!options_.retain_graph) node.release_variables();
}

template <bool profiled>
void GraphTask::evaluate(uint32_t at) {
  Node& node = *states_[at].node;
  here.node = &node;
  GradMode::set(options_.create_graph);
  try {
    // Where the node itself runs, hooks see to what it is given, and the caller gets what arrived.
    const bool needed = states_[at].needed;
    if (needed) capture(at);
    if (node.is_accumulator_)
      run_leaf_hooks(static_cast<AccumulateGrad&>(node), states_[at].grads());
    run_tensor_hooks(node, states_[at].grads());
    if (!needed) {
      capture(at);
      states_[at].only = Tensor();
      states_[at].many = nullptr;
      return;
    }
    Stretch<Tensor, 8> out;
    for (size_t i = 0; i < node.num_edges(); ++i) out.push();
    call<profiled>(at, out.begin());
    states_[at].only = Tensor();
    states_[at].many = nullptr;
    if (thread_state.anomaly_mode && thread_state.anomaly_check_nan) [[unlikely]]
      check_nan(node, out.begin());
    for (size_t i = 0; i < out.size(); ++i) {
      const uint32_t target = targets_[states_[at].first_target + i];
      if (target != kNone && (!partial_ || states_[target].wanted()))
        deliver(target, node.edge(i).input, std::move(out[i]));
    }
  } catch (...) {
    if (node.anomaly) [[unlikely]]
      node.anomaly->report(node.name());
    throw;
  }
}

void GraphTask::evaluate_profiled(uint32_t at) {
  const Node& node = *states_[at].node;
  const ProfileRange range(ProfileEvent::Kind::visit, node.name(), sequence_of(node));
  if (node.has_queue())
    evaluate_queued(at);
  else
    evaluate<true>(at);
}

// Note [Streams in backward]
// A node runs in the stream that its forward ran in, and that stream's work is in the order of the
// graph: a gradient that arrives from another stream is waited for, also where it is added to those
// that arrived before. In the end the caller's stream waits for all of them.
void GraphTask::evaluate_queued(uint32_t at) {
  const Queue queue = states_[at].node->queue();
  if (std::find(queues_.begin(), queues_.end(), queue) == queues_.end()) queues_.push_back(queue);
  const WithStream scope(queue.device, queue.stream);
  evaluate(at);
}

void GraphTask::add_queued(Node& to, Tensor& into, Tensor grad) {
  const Queue& queue = to.queue();
  stream_waits(queue.device, queue.stream, current_stream(queue.device));
  const WithStream scope(queue.device, queue.stream);
  accumulate_into(into, std::move(grad));
}

void GraphTask::end_queues() {
  for (const Queue& queue : queues_)
    stream_waits(queue.device, current_stream(queue.device), queue.stream);
}

void GraphTask::run_callbacks() {
  here.node = nullptr;
  for (size_t i = 0; i < callbacks_.size(); ++i) callbacks_[i]->run();
}

namespace {

[[gnu::cold, gnu::noinline]] Tensor mended(const InputMeta& meta, size_t index, Tensor grad,
                                           const Node* from) {
  const std::string who =
      from ? concat("Function ", from->name(), " returned an invalid gradient at index ", index)
           : concat("invalid gradient at index ", index);
  if (!same(meta.sizes, grad.sizes())) {
    bool fits = meta.sizes.size() <= grad.sizes().size();
    const size_t leading = fits ? grad.sizes().size() - meta.sizes.size() : 0;
    for (size_t d = 0; fits && d < meta.sizes.size(); ++d)
      fits = meta.sizes[d] == 1 || meta.sizes[d] == grad.sizes()[leading + d];
    check(fits, who, " - got ", show(grad.sizes()), " but expected shape compatible with ",
          show(meta.sizes));
    grad = sum_to(grad, meta.sizes);
  }
  if (meta.dtype != grad.dtype()) {
    check(is_complex(meta.dtype) == grad.is_complex() || grad.is_floating(), who,
          " - expected dtype ", dtype_name(meta.dtype), " but got ", dtype_name(grad.dtype()));
    if (is_differentiable(meta.dtype)) grad = arithmetic::cast(grad, meta.dtype);
  }
  if (!(meta.device == grad.device()) && !meta.subclass && !(grad.keys() & kPythonDispatch)) {
    check(grad.dim() == 0, who, " - expected device ", meta.device.str(), " but got ",
          grad.device().str());
    grad = arithmetic::to_device(grad, meta.device);
  }
  return grad;
}

}  // namespace

Tensor validated(const Edge& edge, size_t index, Tensor grad, const Node* from) {
  if (!edge.valid() || !grad.defined()) return grad;
  const InputMeta& meta = edge.node->input_meta(edge.input);
  if (!meta.defined) return grad;
  if (same(meta.sizes, grad.sizes()) && meta.dtype == grad.dtype() && meta.device == grad.device())
      [[likely]]
    return grad;
  return mended(meta, index, std::move(grad), from);
}

// ---- entry

namespace {

TensorVec run_here(std::span<const Edge> roots, TensorSpan grads, std::span<const Edge> inputs,
                   const BackwardOptions& options) {
  GraphTask task(roots, inputs, options);
  task.run(grads);
  return std::move(task.captured());
}

// The stream that a thread's work on the device of these stands in.
std::optional<Queue> queue_here(TensorSpan list) {
  for (const Tensor& t : list)
    if (t.defined() && !t.device().is_cpu() && device_table(t.device().type))
      return Queue{t.device(), current_stream(t.device())};
  return std::nullopt;
}

struct OnThread {
  std::span<const Edge> roots;
  TensorSpan grads;
  std::span<const Edge> inputs;
  BackwardOptions options;
  ThreadSnapshot state;
  TensorVec result;
  std::exception_ptr error;

  int threads;
  const std::optional<Queue> queue = queue_here(grads);

  void operator()() {
    try {
      std::thread([this] { run(); }).join();
    } catch (const std::system_error&) {
      error = std::make_exception_ptr(too_deep());
    }
  }
  void run() {
    const WithThreadState carried(state);
    std::optional<WithStream> scope;
    if (queue) scope.emplace(queue->device, queue->stream);
    here.threads = threads;
    try {
      result = run_here(roots, grads, inputs, options);
    } catch (...) {
      error = std::current_exception();
    }
  }
  static RecursionError too_deep() {
    return RecursionError(
        "backward: maximum depth exceeded: a hook runs the backward that it is a part of");
  }
};

}  // namespace

TensorVec run_backward(std::span<const Edge> roots, TensorSpan grads, std::span<const Edge> inputs,
                       const BackwardOptions& options) {
  if (GraphTask::depth() < kMaxDepth) return run_here(roots, grads, inputs, options);
  if (here.threads == kMaxThreads) throw OnThread::too_deep();
  OnThread other{roots, grads, inputs, options, {}, {}, {}, here.threads + 1};
  other.options.before_long_run = nullptr;
  other.options.unlocked = true;
  call_unlocked([](void* f) { (*static_cast<OnThread*>(f))(); }, &other);
  if (other.error) std::rethrow_exception(other.error);
  return std::move(other.result);
}

void queue_callback(std::unique_ptr<EngineCallback> callback) {
  check(GraphTask::current() != nullptr,
        "Final callbacks can only be installed during backward pass.");
  GraphTask::current()->queue(std::move(callback));
}

Node* current_node() { return GraphTask::running_node(); }

int64_t current_graph_task() { return GraphTask::current() ? GraphTask::current()->id() : -1; }

bool will_execute(const Node* node) {
  check(GraphTask::current() != nullptr,
        "_will_engine_execute_node: can only be called during the backward pass");
  return GraphTask::current()->will_run(node);
}

}  // namespace flambeau::inline v1
