// The tape: nodes, edges, saved tensors, and what a tensor carries for autograd.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dispatch/thread_state.h"
#include "core/tensor/tensor.h"

namespace flambeau::inline v1 {

struct Node;

struct Edge {
  Ref<Node> node;
  uint32_t input = 0;  // which of the node's inputs the gradient goes to
  bool valid() const { return static_cast<bool>(node); }
};

// What a gradient that arrives must look like: the forward output's metadata.
struct InputMeta {
  Dims sizes;
  DType dtype = DType::float32;
  Device device;
  bool defined = false;  // false: nothing is known of this output, any gradient passes
  bool subclass = false;
};

// Where the forward of a node put its work.
struct Queue {
  Device device;
  uint64_t stream;
  bool operator==(const Queue&) const = default;
};

// For sections of a few instructions that call nothing.
class SpinLock {
 public:
  void lock() {
    if (held_.exchange(true, std::memory_order_acquire)) [[unlikely]]
      wait();
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  [[gnu::cold, gnu::noinline]] void wait();
  std::atomic<bool> held_{false};
};

// A hook of any kind; it overrides what its kind needs. Shared by a tensor and its node.
struct NodeHook {
  virtual ~NodeHook() = default;
  // Tensor hooks and pre-hooks: may replace gradients (entries of `grads`).
  virtual void pre(Tensor* /*grads*/, size_t /*n*/) {}
  // Post-hooks see both sides and may replace what goes on (`out`).
  virtual void post(const Tensor* /*grads*/, size_t /*n*/, Tensor* /*out*/, size_t /*n_out*/) {}
  // The leaf's gradient was accumulated.
  virtual void accumulated(const Tensor& /*leaf*/) {}
  virtual void* python() const { return nullptr; }  // the Python object, for garbage collection

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  uint32_t use_count() const { return refs_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> refs_{1};
};

// Hooks live apart, because most nodes have none. Tensor hooks run first (each on its input), then
// retain_grad, pre-hooks, the node, post-hooks.
struct NodeHooks {
  std::vector<std::pair<uint32_t, Ref<NodeHook>>> tensor_pre;
  std::vector<std::pair<uint32_t, Ref<NodeHook>>> retains_grad;
  std::vector<Ref<NodeHook>> pre, post;
  Queue queue{};  // here, so that a node of the CPU has no room for it
};

// What anomaly mode keeps of a node's forward; the binding makes it.
struct Anomaly {
  virtual ~Anomaly() = default;
  virtual void store_stack() {}
  virtual void set_parent(Node* /*parent*/) {}
  virtual void report(const char* /*node_name*/) {}  // the error happened in its backward
  virtual std::string where() { return {}; }  // the line of the forward, as the end of a message
  virtual void* python() const { return nullptr; }
};
extern std::unique_ptr<Anomaly> (*make_anomaly)();

struct Node : SmallObject {
  static constexpr int kInlineEdges = 3;

  Node();
  Node(const Node&) = delete;
  virtual ~Node();

  virtual const char* name() const = 0;
  // grads: one per input (undefined = zero). out: one per edge, left undefined where not needed.
  virtual void apply(const Tensor* grads, Tensor* out) = 0;
  virtual void release_variables() {}  // after backward without retain_graph
  // For graph inspection: `_saved_*` attributes.
  virtual const struct SavedField* saved_fields(size_t* n) const {
    *n = 0;
    return nullptr;
  }

  // edges
  size_t num_edges() const { return num_edges_; }
  Edge& edge(size_t i) { return edges()[i]; }
  const Edge& edge(size_t i) const { return const_cast<Node*>(this)->edges()[i]; }
  void add_edge(Edge e) {
    if (num_edges_ == edge_capacity_) [[unlikely]]
      reserve_edges(2 * num_edges_);
    edges()[num_edges_++] = std::move(e);
  }
  void reserve_edges(size_t n);
  // Is the gradient of edge i wanted, by the graph and by the backward that runs?
  [[gnu::always_inline]] bool needs(size_t i) const {
    return i < num_edges_ && edge(i).valid() &&
           (!running_partial_backward || in_partial_backward(i));
  }

  // inputs (= outputs of the forward)
  size_t num_inputs() const { return num_inputs_; }
  uint32_t add_input(const Tensor& forward_output);
  uint32_t add_undefined_input();
  const InputMeta& input_meta(size_t i) const { return const_cast<Node*>(this)->input_meta(i); }
  InputMeta& input_meta(size_t i) { return i == 0 ? first_input_ : more_inputs_[i - 1]; }
  // Of a node whose outputs are on a device with streams; its backward goes there too.
  bool has_queue() const { return has_queue_; }
  const Queue& queue() const { return hooks_->queue; }

  NodeHooks& hooks() {
    if (!hooks_) hooks_ = std::make_unique<NodeHooks>();
    return *hooks_;
  }
  NodeHooks* hooks_if_any() const { return hooks_.get(); }

  void retain() {
    if (refs_.fetch_add(1, std::memory_order_relaxed) == 1 && twin_) [[unlikely]]
      twin_shared(this, true);
  }
  void release() {
    const bool twin = twin_;  // read while the node is certain to be there
    const uint32_t before = refs_.fetch_sub(1, std::memory_order_acq_rel);
    if (before == 1)
      destroy(this);
    else if (before == 2 && twin) [[unlikely]]
      twin_shared(this, false);
  }
  bool try_retain();  // false when the last reference is already gone
  uint32_t use_count() const { return refs_.load(std::memory_order_relaxed); }

  uint64_t sequence_nr = 0;          // order of creation on this thread; later ones run first
  Node* owner = nullptr;             // the CopySlices that runs this node in its own place
  void* py_object = nullptr;         // core/python: the node's Python object (borrowed)
  std::unique_ptr<Anomaly> anomaly;  // forward traceback in anomaly mode

  // Note [Twins]: a custom Function's node and its Python object live and die together. The Python
  // object always holds one reference to the node. While there are others, the node holds one to
  // the Python object, which the binding takes and drops here.
  static void (*twin_shared)(Node* node, bool shared);
  bool has_twin() const { return twin_; }

 protected:
  friend class GraphTask;
  bool is_accumulator_ = false;
  bool twin_ = false;
  bool has_queue_ = false;

 private:
  // Set while this thread runs a backward that wants the gradients of given inputs only.
  static thread_local constinit bool running_partial_backward [[gnu::tls_model("initial-exec")]];
  bool in_partial_backward(size_t edge) const;

  Edge* edges() { return heap_edges_ ? heap_edges_.get() : inline_edges_; }
  uint32_t new_input();
  [[gnu::cold, gnu::noinline]] void note_kind(const Tensor& forward_output, InputMeta& meta);
  // Frees a chain of any length without recursion.
  static void destroy(Node* node);

  std::atomic<uint32_t> refs_{1};
  uint32_t num_edges_ = 0, edge_capacity_ = kInlineEdges, num_inputs_ = 0;
  Edge inline_edges_[kInlineEdges];
  std::unique_ptr<Edge[]> heap_edges_;
  InputMeta first_input_;
  std::vector<InputMeta> more_inputs_;
  std::unique_ptr<NodeHooks> hooks_;
};

// ---- saved tensors

// saved_tensors_hooks around one saved tensor: packed once, unpacked at each use.
struct SavedTensorHooks {
  virtual ~SavedTensorHooks() = default;
  virtual void pack(const Tensor& t) = 0;
  virtual Tensor unpack() = 0;
  virtual void* python() const { return nullptr; }
};
// The hooks that are in force on this thread; asked only when thread_state has some.
extern std::unique_ptr<SavedTensorHooks> (*default_saved_tensor_hooks)();

// A tensor kept for backward, with the version it had. An output of the node is kept without its
// grad_fn, else it would hold itself; it is to be saved after set_history or rebase_history.
class SavedTensor {
 public:
  SavedTensor() = default;
  SavedTensor(SavedTensor&& o) noexcept { *this = std::move(o); }
  SavedTensor& operator=(SavedTensor&& o) noexcept;
  ~SavedTensor() = default;
  void save(const Tensor& t, bool is_output);
  // Error when it was modified in place since, or freed by an earlier backward.
  Tensor unpack(const Node* node) const;
  void reset();
  bool saved() const { return was_saved_; }
  // saved_tensors_hooks on one slot (grad_fn._raw_saved_x.register_hooks)
  void register_hooks(std::unique_ptr<SavedTensorHooks> hooks);
  SavedTensorHooks* hooks() const { return hooks_.get(); }
  const Tensor& raw() const { return data_; }  // undefined when packed or released

 private:
  void keep_history(const Tensor& t);
  Ref<Node> history(const Node* node) const;
  [[noreturn]] void modified(const Tensor& data, const Node* node) const;

  Tensor data_;
  Ref<Node> grad_fn_;  // of a packed input: its history at the time of saving, or its accumulator
  std::shared_ptr<SavedTensorHooks> hooks_;  // shared with an unpack() that runs on another thread
  uint32_t version_ = 0, output_nr_ = 0;
  bool is_output_ = false, is_leaf_ = false, was_saved_ = false, requires_grad_ = false,
       original_ = false;
  mutable SpinLock lock_;  // a backward of another thread may release what this one reads
};

class SavedTensors {  // of a list argument
 public:
  void save(TensorSpan list);
  TensorVec unpack(const Node* node) const;
  void reset();
  std::vector<SavedTensor>& list() { return list_; }

 private:
  std::vector<SavedTensor> list_;
};

// How saved fields are shown to Python.
struct SavedField {
  const char* name;  // "self", shown as _saved_self
  enum class Kind : uint8_t {
    tensor,
    tensors,
    integer,
    optional_integer,
    floating,
    boolean,
    scalar,
    dims,
    dtype,
    string,
  } kind;
  const void* (*get)(const Node* node);
};

// ---- what a tensor carries

// Keeps the gradient of a non-leaf. The gradient stands here and not at the tensor, because the
// graph, and a backward on another thread, may outlive the tensor.
struct RetainGrad final : NodeHook {
  void pre(Tensor* grads, size_t n) override;
  Tensor grad;
};

// How to make a view again that as_strided cannot: it changes the dtype or the lazy bits.
struct ViewReplay {
  enum class Step : uint8_t { strided, real, complex, conjugate, negative };
  struct Item {
    Step step;
    Dims sizes, strides;
    int64_t offset;
  };
  std::vector<Item> items;

  // `shift`: how much further on than at the time of recording the base's elements begin.
  Tensor operator()(const Tensor& base, int64_t shift = 0) const;
};

// View bookkeeping, as PyTorch's creation_meta.
enum class Creation : uint8_t { plain, in_custom_function, multi_output, no_grad, inference };

struct TensorHooks {
  std::vector<Ref<NodeHook>> pre;  // of a leaf; other tensors' stand at their node
  Ref<NodeHook> post_accumulate;   // of a leaf
  Ref<NodeHook> python;            // the one among them that wraps Python's ordered dict
  Ref<RetainGrad> retained;        // of a non-leaf
};

struct AutogradMeta : SmallObject {
  explicit AutogradMeta(TensorImpl* tensor) : self(tensor) {}
  AutogradMeta(const AutogradMeta&) = delete;
  ~AutogradMeta();

  TensorImpl* const self;
  Tensor grad;
  Ref<Node> grad_fn;            // read it through flambeau::grad_fn: a view's may be stale
  Node* accumulator = nullptr;  // of a leaf; not owned, cleared by its destructor
  uint32_t output_nr = 0;
  bool requires_grad = false;  // a leaf's own flag
  bool is_view = false;
  Creation creation = Creation::plain;
  SpinLock lock;  // of `accumulator`, `first_view` and a view's `grad_fn`
  // Views. `base` is never itself a view. `version_at_fn`: grad_fn is stale when the version moved.
  std::atomic<uint32_t> version_at_fn{0};
  Tensor base;
  std::unique_ptr<ViewReplay> replay;
  // Note [Views of a base]: a base knows its views, since those require grad once the base does.
  AutogradMeta *first_view = nullptr, *next_view = nullptr, *previous_view = nullptr;
  std::unique_ptr<TensorHooks> hooks;

  TensorHooks& hooks_or_new() {
    if (!hooks) hooks = std::make_unique<TensorHooks>();
    return *hooks;
  }
};

// ---- what generated entries use

[[gnu::always_inline]] inline bool needs_grad(const Tensor& t) {
  return t.defined() && (t.keys() & kAutograd);
}
inline bool needs_grad(TensorSpan list) {
  for (const Tensor& t : list)
    if (needs_grad(t)) return true;
  return false;
}
template <class... T>
[[gnu::always_inline]] inline bool any_needs_grad(const T&... t) {
  return (needs_grad(t) || ...);
}

// The edge a gradient of `t` leaves through: its grad_fn, or its AccumulateGrad.
Edge gradient_edge(const Tensor& t);
void collect_edges(Node& node, const Tensor& t);
void collect_edges(Node& node, TensorSpan list);
void begin_node(Node& node);  // sequence number, anomaly's traceback
template <class N, class... T>
N* make_node(Ref<Node>& owner, const T&... inputs) {
  N* const node = new N;
  owner = Ref<Node>::adopt(node);
  begin_node(*node);
  (collect_edges(*node, inputs), ...);
  return node;
}

// After the forward: t becomes the node's next output.
void set_history(const Tensor& t, const Ref<Node>& node);
void set_history(TensorSpan list, const Ref<Node>& node);
// Before an in-place op: leaf, view and inference rules; `requires_grad`: some argument needs it.
void check_inplace(const Tensor& self, bool requires_grad, const char* op);
// After an in-place op: self's history is rebased (CopySlices when self is a view).
void rebase_history(const Tensor& self, const Ref<Node>& node);
// The same after an op that changed the geometry alone: the base of a view stays as it is.
void continue_history(const Tensor& self, const Ref<Node>& node);
// out= under grad mode: Error when something requires grad.
void check_out(const char* op, bool requires_grad);

// Marks `view` (fresh alias of `of`) as a view: base, creation, keys.
Tensor as_view(const Tensor& of, Tensor view, Creation creation = Creation::plain);
TensorVec as_view(const Tensor& of, TensorVec views, Creation creation = Creation::multi_output);
// self takes the geometry of `alias`, which lies over the same memory: squeeze_() and its like.
void take_geometry(const Tensor& self, const Tensor& alias);
void bump_version(const Tensor& t);

const Ref<Node>& grad_fn(const Tensor& t);  // regenerated when an in-place op made it stale
[[gnu::noinline]] AutogradMeta& make_autograd_meta(const Tensor& t);
inline AutogradMeta& autograd_meta(const Tensor& t) {  // see Note [Made on demand]
  static_assert(sizeof(t.impl()->autograd) == sizeof(AutogradMeta*));
  auto* const place = reinterpret_cast<AutogradMeta**>(&t.impl()->autograd);
  AutogradMeta* const there = __atomic_load_n(place, __ATOMIC_ACQUIRE);
  return there ? *there : make_autograd_meta(t);
}
// The tensor's key bit follows from its metadata; to be called when those change.
void refresh_requires_grad(TensorImpl& t);
void set_gradient_edge(const Tensor& t, Edge edge);
Tensor detach(const Tensor& t);  // shares storage and version; not a view for autograd
const Tensor& detach_(const Tensor& t);
Tensor variable_data(const Tensor& t);  // shares storage, own version
// t.data = data: other memory, geometry and dtype under the same tensor; its version goes on.
void set_data(const Tensor& t, const Tensor& data);

// Runs before the tensor's gradient is used further.
void add_tensor_hook(const Tensor& t, Ref<NodeHook> hook);
void retain_grad(const Tensor& t);
bool retains_grad(const Tensor& t);
Tensor& grad_slot(AutogradMeta& meta);  // where the gradient of this tensor is kept

// "Exp" of ExpBackward0: how messages name the op behind a node.
std::string_view forward_name(const Node& node);

// A gradient brought to the shape and dtype of the input it is for: sums over broadcast dims.
Tensor sum_to(const Tensor& grad, IntSpan sizes);
Tensor grad_to(const Tensor& grad, IntSpan sizes, DType dtype);  // also real part, cast

// ---- engine

struct BackwardOptions {
  bool retain_graph = false, create_graph = false;
  // With inputs: adds to their `grad` instead of returning the gradients.
  bool accumulate = true;
  // Called once, before the first node runs, when the graph has much to compute.
  void (*before_long_run)(void* context) = nullptr;
  void* context = nullptr;
  bool unlocked = false;  // runs without Python's lock; see Note [Memory that moves]
};
// Runs from `roots` with `grads`; with `inputs`, only what leads to them runs, and unless they
// accumulate their gradients are returned (undefined where unreachable).
TensorVec run_backward(std::span<const Edge> roots, TensorSpan grads, std::span<const Edge> inputs,
                       const BackwardOptions& options);

// The gradients of `outputs` with respect to `inputs`; `gradients`: of the outputs, left out for
// scalars. Nothing is added to the inputs' own.
struct GradOptions {
  std::optional<bool> retain_graph;  // as create_graph when it is not given
  bool create_graph = false;
  bool allow_unused = false;  // an input that is not reached gives an undefined tensor, no Error
};
TensorVec grad(TensorSpan outputs, TensorSpan inputs, TensorSpan gradients = {},
               const GradOptions& wanted = {});

struct EngineCallback {
  virtual ~EngineCallback() = default;
  virtual void run() = 0;
};
void queue_callback(std::unique_ptr<EngineCallback> callback);  // at the end of this backward
Node* current_node();                                           // that runs on this thread, or null
int64_t current_graph_task();                                   // -1 outside of backward
bool will_execute(const Node* node);                            // in the backward that runs

// Calls f(context); the binding replaces it by one that gives up Python's lock meanwhile, because
// what f waits for may need that lock.
extern void (*call_unlocked)(void (*f)(void*), void* context);

}  // namespace flambeau::inline v1
