// Tensors without a parent. They stand here because inference mode, which marks them, is the
// thread's.
#include "core/dispatch/thread_state.h"
#include "core/tensor/device_table.h"
#include "core/tensor/tensor.h"

namespace flambeau::inline v1 {
namespace {

Tensor finish(TensorImpl* impl, size_t nbytes, Device device) {
  Tensor t = Tensor::adopt(impl);
  if (!device.is_cpu()) [[unlikely]] {
    device = resolved(device);
    impl->set_device(device);
    impl->keys |= bit(Key::backend);
  }
  impl->set_storage(Storage::allocate(nbytes, device));
  impl->inference = thread_state.inference_mode;
  return t;
}

}  // namespace

Tensor empty(IntSpan sizes, TensorOptions options) {
  if (options.layout != Layout::strided) [[unlikely]]
    raise<NotImplementedError>("empty: layout torch.", layout_name(options.layout),
                               " is not supported");
  Ref<TensorImpl> impl = Ref<TensorImpl>::adopt(new TensorImpl({}, options.dtype, options.device));
  impl->begin_contiguous(sizes);
  const size_t nbytes = static_cast<size_t>(impl->numel()) * itemsize(options.dtype);
  return finish(impl.forget(), nbytes, options.device);
}

Tensor empty_strided(IntSpan sizes, IntSpan strides, TensorOptions options) {
  check(sizes.size() == strides.size(), "empty_strided: dimensionality of sizes (", sizes.size(),
        ") must match dimensionality of strides (", strides.size(), ")");
  for (const int64_t s : strides)
    check(s >= 0, "empty_strided: strides must not be negative, got ", show(strides));
  Ref<TensorImpl> impl = Ref<TensorImpl>::adopt(new TensorImpl({}, options.dtype, options.device));
  impl->begin_geometry(sizes, strides, 0);
  return finish(impl.forget(), span_bytes(sizes, strides, itemsize(options.dtype)), options.device);
}

Tensor empty_like(const Tensor& like) { return empty_like(like, like.dtype()); }

Tensor empty_like(const Tensor& like, DType dtype) {
  TensorOptions options = like.options();
  options.dtype = dtype;
  if (like.is_contiguous()) return empty(like.sizes(), options);
  return empty_strided(like.sizes(), strides_like(like), options);
}

Tensor scalar_tensor(const Scalar& value, DType dtype, Device device) {
  Tensor t = empty({}, {dtype, device});
  if (device.is_cpu()) {
    value.store(t.bytes(), dtype);
  } else if (!device.is_meta()) {
    alignas(16) char element[16];
    value.store(element, dtype);
    copy_bytes(t.device_bytes(), t.device(), element, Device{}, t.itemsize());
  }
  return t;
}

Tensor wrapped_number(const Scalar& value) {
  const DType natural = value.natural_dtype();
  Tensor t = scalar_tensor(value, natural);
  t.impl()->wrapped_number = true;
  return t;
}

}  // namespace flambeau::inline v1
