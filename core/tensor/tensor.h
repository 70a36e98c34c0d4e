// TensorImpl and the handle that everybody passes around: Tensor.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/tensor/device.h"
#include "core/tensor/dims.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"
#include "core/tensor/keys.h"
#include "core/tensor/ref.h"
#include "core/tensor/scalar.h"
#include "core/tensor/storage.h"

namespace flambeau::inline v1 {

// ---- tensor

class Tensor;
struct AutogradMeta;  // core/autograd/node.h
// Deletes it: core/autograd alone knows what it is.
struct DropAutograd {
  void operator()(AutogradMeta* meta) const;
};

// Shared by a tensor and all its views; bumped by each in-place operation.
class VersionCounter : public SmallObject {
 public:
  std::atomic<uint32_t> value{0};
  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs_.load(std::memory_order_acquire) == 1 ||
        refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }

 private:
  std::atomic<uint32_t> refs_{1};
};

// What a tensor without plain storage carries (sparse, nested, quantised, transform wrappers).
struct Payload {
  virtual ~Payload() = default;
  // For another handle on the same tensor: what is detached, or saved for backward.
  virtual std::unique_ptr<Payload> shared() const = 0;
};

struct TensorOptions {
  DType dtype = DType::float32;
  Device device;
  Layout layout = Layout::strided;
};

class TensorImpl : public SmallObject {
 public:
  static constexpr int kInlineDims = 5;

  TensorImpl(Ref<Storage> storage, DType dtype, Device device);
  TensorImpl(const TensorImpl&) = delete;
  ~TensorImpl();

  int dim() const { return ndim_; }
  [[gnu::always_inline]] IntSpan sizes() const { return {geometry(), static_cast<size_t>(ndim_)}; }
  [[gnu::always_inline]] IntSpan strides() const {
    return {geometry() + ndim_, static_cast<size_t>(ndim_)};
  }
  int64_t numel() const { return numel_; }
  int64_t offset() const { return offset_; }  // in elements
  bool contiguous() const { return contiguous_; }
  // No gaps and no overlap: some permutation of the dimensions is contiguous.
  bool dense() const { return dense_; }
  // Throws on negative sizes and on overflow of the number of elements or bytes.
  void set_geometry(IntSpan sizes, IntSpan strides, int64_t offset);
  // The same for a tensor that nobody else has seen, from lists that are not its own.
  void begin_geometry(IntSpan sizes, IntSpan strides, int64_t offset);
  void begin_contiguous(IntSpan sizes);  // offset 0, row-major strides

  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  Layout layout() const { return layout_; }
  const Ref<Storage>& storage() const { return storage_; }
  void set_storage(Ref<Storage> storage) { storage_ = std::move(storage); }
  void set_dtype(DType dtype) { dtype_ = dtype; }
  void set_device(Device device) { device_ = device; }
  void set_layout(Layout layout) { layout_ = layout; }

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  [[gnu::always_inline]] void release() {
    if (refs_.load(std::memory_order_acquire) == 1 ||
        refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      destroy(this);
  }
  uint32_t use_count() const { return refs_.load(std::memory_order_relaxed); }

  uint32_t version() const {
    return version_ ? version_->value.load(std::memory_order_relaxed) : 0;
  }
  void bump_version() { version_counter()->value.fetch_add(1, std::memory_order_relaxed); }
  VersionCounter* version_counter();  // made on demand
  void share_version(TensorImpl& with) {
    with.version_counter();
    version_ = with.version_;
  }
  void new_version() { version_ = nullptr; }  // a counter of its own, at zero
  bool counts_versions() const { return !inference || version_; }

  KeySet keys = 0;
  bool wrapped_number = false;        // made from a Python number: weak in promotion
  bool inference = false;             // made in inference mode: no version counting, no autograd
  bool allow_metadata_change = true;  // false for x.data and detach results, as in PyTorch

  std::unique_ptr<AutogradMeta, DropAutograd> autograd;
  std::unique_ptr<Payload> payload;

  // Note [One Python object]: the Python object of a tensor is made when Python first sees it, and
  // lives as long as the tensor does when it has state of its own (attributes, weak references, a
  // subclass). `py_object` is borrowed while Python owns the tensor and owned (py_owned) while C++
  // alone holds it. Only core/python touches the two.
  std::atomic<void*> py_object{nullptr};
  bool py_owned = false;

 private:
  friend class Tensor;
  static void destroy(TensorImpl* t);
  [[gnu::always_inline]] const int64_t* geometry() const {
    return ndim_ <= kInlineDims ? inline_ : heap_;
  }
  int64_t* reserve_geometry(size_t ndim);
  template <class Strides>
  bool lay_out(IntSpan sizes, Strides stride_of);

  std::atomic<uint32_t> refs_{1};
  DType dtype_;
  Layout layout_ = Layout::strided;
  Device device_;
  uint8_t ndim_ = 0;
  bool contiguous_ = true, dense_ = true;
  int64_t numel_ = 1;
  int64_t offset_ = 0;
  Ref<Storage> storage_;
  Ref<VersionCounter> version_;
  union {
    int64_t inline_[2 * kInlineDims];
    int64_t* heap_;
  };
};

// Called when C++ drops the last reference to a tensor whose Python object it owns.
extern void (*release_py_object)(TensorImpl*);

class Tensor {
 public:
  Tensor() = default;
  [[gnu::always_inline]] Tensor(const Tensor&) = default;
  [[gnu::always_inline]] Tensor(Tensor&&) noexcept = default;
  [[gnu::always_inline]] Tensor& operator=(const Tensor&) = default;
  [[gnu::always_inline]] Tensor& operator=(Tensor&&) noexcept = default;
  [[gnu::always_inline]] ~Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}
  static Tensor adopt(TensorImpl* impl) { return Tensor(Ref<TensorImpl>::adopt(impl)); }
  // A handle that shares the storage: same bytes, another geometry. Version counter shared.
  static Tensor alias(const Tensor& of, IntSpan sizes, IntSpan strides, int64_t offset);
  // As alias, for another dtype (view_as_real and the like).
  static Tensor alias(const Tensor& of, DType dtype, IntSpan sizes, IntSpan strides,
                      int64_t offset);

  bool defined() const { return static_cast<bool>(impl_); }
  TensorImpl* impl() const { return impl_.get(); }
  TensorImpl* forget() { return impl_.forget(); }
  bool is(const Tensor& o) const { return impl_ == o.impl_; }

  int64_t dim() const { return impl_->dim(); }
  [[gnu::always_inline]] IntSpan sizes() const { return impl_->sizes(); }
  [[gnu::always_inline]] IntSpan strides() const { return impl_->strides(); }
  int64_t size(int64_t dim) const;  // negative dims count from the end; IndexError
  int64_t stride(int64_t dim) const;
  int64_t numel() const { return impl_->numel(); }
  int64_t offset() const { return impl_->offset(); }
  DType dtype() const { return impl_->dtype(); }
  [[gnu::always_inline]] Device device() const { return impl_->device(); }
  Layout layout() const { return impl_->layout(); }
  bool is_contiguous() const { return impl_->contiguous(); }
  bool is_contiguous(MemoryFormat format) const;
  MemoryFormat suggest_memory_format() const;
  TensorOptions options() const { return {dtype(), device(), layout()}; }
  size_t itemsize() const { return flambeau::itemsize(dtype()); }
  bool is_floating() const { return flambeau::is_floating(dtype()); }
  bool is_complex() const { return flambeau::is_complex(dtype()); }
  [[gnu::always_inline]] bool is_meta() const { return device().is_meta(); }
  bool is_conj() const { return impl_->keys & kConjugate; }
  bool is_neg() const { return impl_->keys & kNegative; }
  KeySet keys() const { return impl_->keys; }

  // The first element, in the memory of the host. Raises where not all elements lie there; without
  // elements it is some address.
  char* bytes() const {
    char* const start = impl_->storage_->ready();
    if (!start) [[unlikely]]
      return cold_bytes();
    // Without elements the offset may lead anywhere, which a pointer may not.
    return reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(start) +
                                   static_cast<size_t>(impl_->offset_) * itemsize());
  }
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(bytes());
  }
  // The first element, wherever it is: for the kernels of other devices.
  char* device_bytes() const;
  template <class T>
  T* device_data() const {
    return reinterpret_cast<T*>(device_bytes());
  }
  // The one element. What a program reads passes `item`, where layers see it and may answer.
  Scalar item() const;
  Scalar value() const;  // the same, unseen by layers: for kernels

  // Autograd, defined in core/autograd.
  bool requires_grad() const;
  void set_requires_grad(bool on) const;  // leaf only; Error otherwise
  bool is_leaf() const;
  Tensor grad() const;
  void set_grad(Tensor grad) const;
  void backward(const Tensor& gradient = {}, bool retain_graph = false,
                bool create_graph = false) const;

 private:
  [[gnu::cold, gnu::noinline]] char* cold_bytes() const;

  Ref<TensorImpl> impl_;
};

using TensorVec = std::vector<Tensor>;
using TensorSpan = std::span<const Tensor>;

// ---- geometry helpers shared by all

int64_t wrap_dim(int64_t dim, int64_t ndim, const char* op);  // IndexError; 0-dim counts as 1-dim
int64_t count(IntSpan sizes);                                 // product, overflow checked
Dims contiguous_strides(IntSpan sizes);
Dims channels_last_strides(IntSpan sizes);  // 4-d, or 5-d for channels_last_3d
// Strides of a dense tensor that keeps the order of dimensions of `like` (empty_like's rule).
Dims strides_like(const Tensor& like);
Dims broadcast(IntSpan a, IntSpan b, const char* op);  // Error naming both shapes
enum class Overlap { no, yes, too_hard };
Overlap internal_overlap(const Tensor& t);
enum class MemOverlap { none, full, partial, too_hard };
MemOverlap memory_overlap(const Tensor& a, const Tensor& b);

// Bytes from the first element to the last of a strided tensor.
size_t span_bytes(IntSpan sizes, IntSpan strides, size_t item);

// Uninitialised memory; defined in core/dispatch, since inference mode marks what is made.
Tensor empty(IntSpan sizes, TensorOptions options);
Tensor empty_strided(IntSpan sizes, IntSpan strides, TensorOptions options);
Tensor empty_like(const Tensor& like);  // dtype and strides kept when dense
Tensor empty_like(const Tensor& like, DType dtype);
// A 0-dim tensor; `wrapped` marks a Python number.
Tensor scalar_tensor(const Scalar& value, DType dtype, Device device = {});
Tensor wrapped_number(const Scalar& value);
// In place: takes the new shape, contiguous, reallocating when the storage is too small.
void resize(const Tensor& t, IntSpan sizes);
// The same for out= arguments of op, which warns where there were elements.
void resize_out(const Tensor& out, IntSpan sizes, const char* op);

}  // namespace flambeau::inline v1
