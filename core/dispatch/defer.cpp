#include "core/dispatch/defer.h"

#include <pthread.h>

#include <deque>
#include <exception>
#include <mutex>

#include "core/autograd/node.h"
#include "core/dispatch/registrations.h"
#include "core/tensor/rearrange.h"

namespace flambeau::inline v1 {
namespace {

// So many wait at most, and so much memory for their results.
constexpr size_t kMostNotes = 4096, kMostBytes = size_t{64} << 20;

// Arguments that outlive the call they were given to.
class Kept {
 public:
  Kept(const Op& op, const Value* args) : values_(args, args + op.nargs) {
    for (Value& v : values_) keep(v);
  }
  Kept(const Kept&) = delete;
  const Value* values() const { return values_.data(); }

 private:
  // Another handle: the given one may be reshaped, or get other memory.
  Tensor handle(const Tensor& t) {
    if (!t.defined()) return t;
    Tensor own = Tensor::alias(t, t.sizes(), t.strides(), t.offset());
    own.impl()->wrapped_number = t.impl()->wrapped_number;
    return own;
  }

  template <class T>
  const std::vector<T>& copy(std::deque<std::vector<T>>& of, std::span<const T> given) {
    return of.emplace_back(given.begin(), given.end());
  }

  void keep(Value& v) {
    switch (v.tag) {
      case Value::Tag::tensor:
        tensors_.push_back({handle(v.tensor())});
        v = boxing::box(tensors_.back()[0]);
        break;
      case Value::Tag::tensors: {
        TensorVec list;
        for (const Tensor& t : v.tensors()) list.push_back(handle(t));
        tensors_.push_back(std::move(list));
        v = boxing::box(tensors_.back());
        break;
      }
      case Value::Tag::integers:
        dims_.emplace_back(v.integers());
        v = boxing::box(dims_.back());
        break;
      case Value::Tag::floatings:
        v = boxing::box(std::span<const double>(copy(floatings_, v.floatings())));
        break;
      case Value::Tag::booleans: {
        const std::span<const bool> given = v.booleans();
        booleans_.emplace_back(new bool[given.size()]);
        std::copy(given.begin(), given.end(), booleans_.back().get());
        v = boxing::box(std::span<const bool>(booleans_.back().get(), given.size()));
        break;
      }
      case Value::Tag::scalar:
        scalars_.push_back({*v.scalar_});
        v = boxing::box(scalars_.back()[0]);
        break;
      case Value::Tag::scalars:
        v = boxing::box(std::span<const Scalar>(copy(scalars_, v.scalars())));
        break;
      case Value::Tag::string:
        strings_.emplace_back(v.string());
        v = boxing::box(std::string_view(strings_.back()));
        break;
      default:
        break;
    }
  }

  std::vector<Value> values_;
  std::deque<TensorVec> tensors_;
  std::deque<Dims> dims_;
  std::deque<std::vector<double>> floatings_;
  std::deque<std::unique_ptr<bool[]>> booleans_;
  std::deque<std::vector<Scalar>> scalars_;
  std::deque<std::string> strings_;
};

struct Note : Promise {
  Note(const Op& given_op, Kernel given_kernel, const Value* given)
      : op(given_op),
        kernel(given_kernel),
        args(std::make_unique<Kept>(given_op, given)),
        work(elements_of_call(given_op, given)) {}

  const Op& op;
  const Kernel kernel;
  std::unique_ptr<Kept> args;
  std::vector<Ref<Storage>> promised;
  // The kernel's own handles: others go on waiting at the promised ones until it has ended.
  TensorVec outs;
  std::exception_ptr error;
  std::atomic<bool> failed{false};  // `error` is there
  size_t bytes = 0;                 // of the results
  const int64_t work;

  void add(const Tensor& result) {
    const Ref<Storage>& storage = result.impl()->storage();
    auto* const impl = new TensorImpl(
        Storage::wrap(storage->data(), storage->nbytes(), Device{}, nullptr, nullptr),
        result.dtype(), Device{});
    outs.push_back(Tensor::adopt(impl));
    impl->set_geometry(result.sizes(), result.strides(), 0);
    promised.push_back(storage);
    bytes += storage->nbytes();
    storage->promise(Ref<Promise>(this));
  }

  void run() {
    try {
      // A kernel runs below all layers, wherever it is asked for.
      const Exclude off(~KeySet{0});
      kernel(op, outs.data(), args->values());
      for (const Ref<Storage>& storage : promised) storage->fulfil();
    } catch (...) {
      error = std::current_exception();  // for those who read the results
      failed.store(true, std::memory_order_release);
    }
    args = nullptr;
    outs.clear();
    promised.clear();
  }

  void keep() override {
    if (!failed.load(std::memory_order_acquire)) run_notes();
    if (failed.load(std::memory_order_acquire)) std::rethrow_exception(error);
  }
};

// Notes of all threads in their order. `running` is held while they run, and nobody waits for it
// with Python's lock but a fork: so what they run must not want that lock.
struct Notes {
  std::mutex mutex;  // of the list
  std::mutex running;
  std::deque<Ref<Note>> list;
  std::atomic<size_t> size{0}, bytes{0};
  std::atomic<int64_t> work{0};

  // The child of a fork has no thread that would go on with notes: it begins where none runs.
  // Registered when there first are notes, after what kernels lock: fork() comes here before.
  Notes();
  void lock() {
    running.lock();
    mutex.lock();
  }
  void unlock() {
    mutex.unlock();
    running.unlock();
  }

  Ref<Note> next() {
    const std::lock_guard lock(mutex);
    if (list.empty()) return {};
    Ref<Note> note = std::move(list.front());
    list.pop_front();
    return note;
  }
  // Whether they are enough to be run.
  bool add(Ref<Note> note) {
    const std::lock_guard lock(mutex);
    bytes += note->bytes;
    work += note->work;
    list.push_back(std::move(note));
    return (size += 1) >= kMostNotes || bytes >= kMostBytes;
  }
  // `running` is held.
  void run_all() noexcept;
};
Notes& notes() {
  static Notes* const all = new Notes;
  return *all;
}
Notes::Notes() {
  pthread_atfork([] { notes().lock(); }, [] { notes().unlock(); }, [] { notes().unlock(); });
}

// A kernel that runs notes must not meet those that wait for it.
thread_local bool here = false;

void Notes::run_all() noexcept {
  here = true;
  while (const Ref<Note> note = next()) {
    note->run();
    bytes -= note->bytes;
    work -= note->work;
    --size;  // only now: who finds none need not wait
  }
  here = false;
}

bool changes_arguments(const Op& op) {
  for (size_t i = 0; i < op.nargs; ++i)
    if (op.args[i].mutated || op.args[i].out) return true;
  return false;
}

constexpr uint32_t kAtOnce =
    tag::view | tag::inplace_view | tag::random | tag::dynamic_shape | tag::data_dependent;

bool are_plain(const Op& op, const Value* args) {
  bool all = true;
  for_each_tensor(op, args, [&](size_t, const Tensor& t) {
    all &= t.device().is_cpu() && t.layout() == Layout::strided && !t.impl()->payload &&
           !(t.keys() & ~kAutograd) && !t.impl()->storage()->exposed();
  });
  return all;
}

// What an element makes raise has to do so at once. Pointwise ops raise for integers alone.
bool may_raise(const Op& op, const Value* args) {
  if (!(op.tags & tag::raises_on_values)) return false;
  if (!(op.tags & tag::pointwise)) return true;
  for (size_t i = 0; i < op.nargs; ++i)
    if (args[i].tag == Value::Tag::tensor && args[i].tensor().defined() &&
        is_differentiable(args[i].tensor().dtype()))
      return false;
  return true;
}

bool can_be_kept(Value::Tag tag) {
  switch (tag) {
    case Value::Tag::generator:
    case Value::Tag::device:
    case Value::Tag::symint:
    case Value::Tag::strings:
    case Value::Tag::values:
      return false;
    default:
      return true;
  }
}

bool can_wait(const Op& op, const Value* args) {
  if ((op.tags & kAtOnce) || !op.rule || !op.nreturns || may_raise(op, args)) return false;
  if (has_registrations(op)) return false;  // what was put in the kernel's place runs instead
  bool tensors = false;
  for (size_t i = 0; i < op.nargs; ++i) {
    if (!can_be_kept(args[i].tag)) return false;
    if (args[i].tag == Value::Tag::layout && keys_of(args[i].layout_)) return false;
    tensors |= args[i].tag == Value::Tag::tensor || args[i].tag == Value::Tag::tensors;
  }
  return tensors && are_plain(op, args);
}

void note(const Op& op, Kernel kernel, const Value* args, Results& results) {
  Specs specs;
  op.rule(op, args, specs);
  const Ref<Note> made = Ref<Note>::adopt(new Note(op, kernel, args));
  TensorVec outs;
  for (const OutputSpec& spec : specs.all()) {
    const TensorOptions options{spec.dtype, Device{}};
    outs.push_back(spec.strides ? empty_strided(spec.sizes, *spec.strides, options)
                                : empty(spec.sizes, options));
    made->add(outs.back());
  }
  if (specs.is_list)
    results.add(std::move(outs));
  else
    for (Tensor& out : outs) results.add(std::move(out));
  // Another thread may have given out an argument's memory since it was looked at.
  if (notes().add(made) || !are_plain(op, args)) run_notes();
}

void defer(const Op& op, const Value* args, Results& results) {
  if (changes_arguments(op)) {
    if (!(op.tags & tag::inplace_view)) run_notes();
  } else if (!has_registrations(op) && can_wait(op, args)) {
    if (const Kernel kernel = kernel_of(op, DeviceType::cpu))
      return note(op, kernel, args, results);
  }
  const Exclude off(kDefer);
  redispatch(op, args, results);
}

[[maybe_unused]] const bool registered = [] {
  set_handler(Key::defer, defer);
  keep_all_promises = run_notes;
  return true;
}();

}  // namespace

void set_deferral(bool on) {
  if (on)
    thread_state.included |= kDefer;
  else
    thread_state.included &= ~kDefer;
}
bool deferral_is_on() { return thread_state.included & kDefer; }
size_t pending_notes() { return notes().size; }

void run_notes() {
  Notes& all = notes();
  if (all.size == 0 || here) return;
  if ((all.work < kReleaseAbove || others_rearrange()) && all.running.try_lock()) {
    const std::lock_guard guard(all.running, std::adopt_lock);
    return all.run_all();
  }
  // Without Python's lock, as a large kernel; see Note [Memory that moves].
  call_unlocked(
      [](void* given) {
        auto& notes = *static_cast<Notes*>(given);
        const Computing scope;  // first: who rearranges may wait for the mutex
        const std::lock_guard guard(notes.running);
        notes.run_all();
      },
      &all);
}

}  // namespace flambeau::inline v1
