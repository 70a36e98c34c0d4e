// One backward pass: the part of a graph that it visits, what has arrived where, what is ready.
#pragma once

#include <vector>

#include "core/autograd/node.h"

namespace flambeau::inline v1 {

extern const char kFreedGraph[];

std::string forward_place(const Node& node);  // what anomaly mode knows of it, else nothing
uint64_t peek_sequence_nr();                  // of the next node that this thread makes

// An array that begins in place and moves to the heap when it outgrows that. T is any type that
// may be moved byte by byte; elements are zero to begin with.
template <class T, size_t N>
class Stretch {
 public:
  Stretch() = default;
  Stretch(const Stretch&) = delete;
  ~Stretch() {
    clear();
    if (data_ != inlined()) std::free(data_);
  }
  void clear() {
    for (size_t i = 0; i < size_; ++i) data_[i].~T();
    size_ = 0;
  }
  T& push() {
    if (size_ == capacity_) [[unlikely]]
      grow();
    return *new (static_cast<void*>(data_ + size_++)) T();
  }
  void pop() { data_[--size_].~T(); }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t i) { return data_[i]; }
  T& back() { return data_[size_ - 1]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }

 private:
  T* inlined() { return reinterpret_cast<T*>(bytes_); }
  [[gnu::noinline]] void grow() {
    auto* block = static_cast<T*>(std::malloc(2 * capacity_ * sizeof(T)));
    if (!block) throw std::bad_alloc();
    std::memcpy(static_cast<void*>(block), static_cast<void*>(data_), size_ * sizeof(T));
    if (data_ != inlined()) std::free(data_);
    data_ = block;
    capacity_ *= 2;
  }

  T* data_ = inlined();
  size_t size_ = 0, capacity_ = N;
  alignas(T) unsigned char bytes_[N * sizeof(T)];
};

// What the pass knows of a node.
struct NodeState {
  Node* node;              // alive through the roots' edges
  uint32_t dependencies;   // gradients still to come
  uint32_t first_target;   // where the states of its edges stand in `targets`
  uint32_t first_capture;  // index + 1 in `captures`, 0 for none
  bool needed;             // is to run
  bool started;            // some gradient, possibly undefined, has arrived
  Tensor only;             // the gradient of a node with one input
  std::unique_ptr<Tensor[]> many;

  Tensor* grads() { return many ? many.get() : &only; }
  bool wanted() const { return needed || first_capture; }
};

class GraphTask {
 public:
  GraphTask(std::span<const Edge> roots, std::span<const Edge> inputs,
            const BackwardOptions& options);
  ~GraphTask();
  void run(TensorSpan grads);
  TensorVec& captured() { return captured_; }

  bool will_run(const Node* node);
  void queue(std::unique_ptr<EngineCallback> callback) {
    callbacks_.push_back(std::move(callback));
  }
  int64_t id() const { return id_; }
  bool partial() const { return partial_; }  // for some inputs only

  static GraphTask* current();
  static Node* running_node();
  static int depth();

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kInlineNodes = 64;
  struct Capture {
    uint32_t input, output, next;
  };
  struct Ready {
    uint64_t sequence_nr;
    uint32_t state;
    bool operator<(const Ready& o) const { return sequence_nr < o.sequence_nr; }
  };

  void visit_graph();
  void select(std::span<const Edge> inputs);
  bool large();
  uint32_t find(const Node* node) const;
  uint32_t find_or_add(Node* node);
  void rehash();

  void deliver(uint32_t state, uint32_t input, Tensor grad);
  template <bool profiled = false>
  [[gnu::always_inline]] inline void evaluate(uint32_t state);  // in engine.cpp, as its callers
  [[gnu::cold, gnu::noinline]] void evaluate_profiled(uint32_t state);
  [[gnu::cold, gnu::noinline]] void evaluate_queued(uint32_t state);
  [[gnu::cold, gnu::noinline]] void add_queued(Node& to, Tensor& into, Tensor grad);
  void end_queues();
  void capture(uint32_t state);
  template <bool profiled>
  void call(uint32_t state, Tensor* out);
  void run_callbacks();

  const std::span<const Edge> roots_;
  const BackwardOptions& options_;
  const bool partial_;
  TensorVec captured_;
  std::vector<std::unique_ptr<EngineCallback>> callbacks_;
  std::vector<Queue> queues_;  // of the nodes that ran, each once
  int64_t id_;

  Stretch<NodeState, kInlineNodes> states_;
  Stretch<uint32_t, 2 * kInlineNodes> targets_;
  Stretch<Ready, kInlineNodes> ready_;
  Stretch<Capture, 8> captures_;
  // Open addressing from node to index + 1.
  size_t mask_ = 2 * kInlineNodes - 1;
  uint32_t* slots_ = inline_slots_;
  uint32_t inline_slots_[2 * kInlineNodes] = {};

  // What the thread comes back to.
  const ThreadSnapshot state_before_;
  GraphTask* const outer_;
  Node* const outer_node_;
  const bool partial_before_;
};

// The gradient as the receiver of `edge` expects it: shape, dtype and device checked and mended.
// `where` starts the message of an error: "Function MulBackward0 returned an ".
Tensor validated(const Edge& edge, size_t index, Tensor grad, const Node* from);

}  // namespace flambeau::inline v1
