// flambeau.UntypedStorage: the bytes behind tensors.

#include <cstring>

#include "core/python/binding.h"
#include "core/python/free_threading.h"
#include "core/tensor/checksum.h"
#include "core/tensor/device_table.h"
#include "core/tensor/shared_storage.h"

namespace flambeau::python {

PyTypeObject* storage_type;

namespace {

struct StorageObject {
  PyObject_HEAD Ref<Storage> storage;
  PyObject* weakrefs;
};

StorageObject* object(PyObject* o) { return reinterpret_cast<StorageObject*>(o); }
Storage& storage_of(PyObject* o) { return *object(o)->storage; }
Py_ssize_t size_of(PyObject* o) { return static_cast<Py_ssize_t>(storage_of(o).nbytes()); }

PyObject* make(PyTypeObject* type, Ref<Storage> storage) {
  PyObject* self = must(type->tp_alloc(type, 0));
  allow_try(self);
  storage->py_object.store(self, std::memory_order_relaxed);
  new (&object(self)->storage) Ref<Storage>(std::move(storage));
  return self;
}

// The bytes. Whatever may run Python (an __index__) comes before: it may move them.
uint8_t* bytes_of(PyObject* o) {
  Storage& s = storage_of(o);
  if (!s.device().is_cpu())
    raise<NotImplementedError>("UntypedStorage: a storage on device '", s.device().str(),
                               "' has no bytes that the host can reach: use .cpu()");
  return static_cast<uint8_t*>(s.data());
}

// Equally many bytes of one storage into another, wherever they are.
void copy_storage(Storage& to, const Storage& from) {
  copy_bytes(to.data(), to.device(), from.data(), from.device(), to.nbytes());
}

size_t unwrap_nbytes(PyObject* o, const char* function) {
  const int64_t n = unwrap_int(o);
  check(n >= 0, function, ": a storage cannot have ", n, " bytes");
  return static_cast<size_t>(n);
}

uint8_t unwrap_byte(PyObject* o) {
  if (!is_index(o))
    raise_python(PyExc_TypeError, "a storage holds bytes: expected an int, got %.200s",
                 Py_TYPE(o)->tp_name);
  const int64_t v = unwrap_int(o);
  return static_cast<uint8_t>(v);
}

Ref<Storage> from_sequence(PyObject* sequence) {
  const FixedItems items(sequence, "UntypedStorage: expected a sequence of ints");
  Ref<Storage> storage = Storage::allocate(items.size(), Device{});
  for (size_t i = 0; i < items.size(); ++i)
    static_cast<uint8_t*>(storage->data())[i] = unwrap_byte(items[i]);
  return storage;
}

PyObject* storage_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    static const char* const kNames[] = {"size", "device", nullptr};
    PyObject *size = nullptr, *device = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$O:UntypedStorage",
                                     const_cast<char**>(kNames), &size, &device))
      throw PythonError();
    const Device where = device && device != Py_None ? unwrap_device(device) : Device{};
    if (size && !is_index(size)) {
      check<NotImplementedError>(where.is_cpu(),
                                 "UntypedStorage: a sequence makes a storage on 'cpu' only");
      return make(type, from_sequence(size));
    }
    const size_t n = size ? unwrap_nbytes(size, "UntypedStorage") : 0;
    return make(type, Storage::allocate(n, where));
  });
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  if (object(self)->weakrefs) PyObject_ClearWeakRefs(self);
  {
    const TieLock lock(&storage_of(self));
    void* own = self;  // another thread may have given it a new object already
    storage_of(self).py_object.compare_exchange_strong(own, nullptr, std::memory_order_relaxed);
  }
  object(self)->storage.~Ref();
  type->tp_free(self);
  Py_DECREF(type);
}

// ---- elements

Py_ssize_t checked_index(PyObject* self, PyObject* index) {
  const int64_t i = unwrap_int(index), n = size_of(self);
  check<IndexError>(i >= -n && i < n, "UntypedStorage: index ", i, " out of range for ", n,
                    " bytes");
  return static_cast<Py_ssize_t>(i < 0 ? i + n : i);
}

struct Range {
  Py_ssize_t begin, length;
};
Range checked_slice(PyObject* self, PyObject* slice) {
  Py_ssize_t begin, end, step;
  must(PySlice_Unpack(slice, &begin, &end, &step));
  const Py_ssize_t length = PySlice_AdjustIndices(size_of(self), &begin, &end, step);
  check<ValueError>(step == 1, "UntypedStorage: a slice must have step 1, not ", step);
  return {begin, length};
}

void drop_parent(void*, size_t, void* parent) { delete static_cast<Lent*>(parent); }

PyObject* get_item(PyObject* self, PyObject* key) {
  return guarded([&]() -> PyObject* {
    if (!PySlice_Check(key)) {
      const Py_ssize_t i = checked_index(self, key);
      return PyLong_FromLong(bytes_of(self)[i]);
    }
    const Ref<Storage>& own = object(self)->storage;
    // A slice of a slice holds the storage that has the memory: no chain grows.
    const auto* above = static_cast<const Lent*>(own->context_of(drop_parent));
    // Lent before its size is looked at: others may run while notes do.
    auto parent = std::make_unique<Lent>(above ? above->storage() : own);
    const Range range = checked_slice(self, key);
    uint8_t* data = bytes_of(self) + range.begin;
    return make(Py_TYPE(self), Storage::wrap(data, static_cast<size_t>(range.length), own->device(),
                                             drop_parent, parent.release()));
  });
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
  return guarded_int([&] {
    if (!value) raise<TypeError>("UntypedStorage: bytes cannot be deleted");
    const uint8_t byte = unwrap_byte(value);
    if (!PySlice_Check(key)) {
      const Py_ssize_t i = checked_index(self, key);
      bytes_of(self)[i] = byte;
      return 0;
    }
    const Range range = checked_slice(self, key);
    if (range.length) std::memset(bytes_of(self) + range.begin, byte, range.length);
    return 0;
  });
}

Py_ssize_t length(PyObject* self) { return size_of(self); }

int get_bytes_buffer(PyObject* self, Py_buffer* view, int flags) {
  return guarded_int([&] {
    static char nothing;                          // a buffer of no bytes still needs an address
    const Lent meanwhile(object(self)->storage);  // others may run while notes do
    void* data = size_of(self) ? bytes_of(self) : nullptr;
    must(PyBuffer_FillInfo(view, self, data ? data : &nothing, size_of(self), 0, flags));
    storage_of(self).lend();
    return 0;
  });
}
void release_bytes_buffer(PyObject* self, Py_buffer*) { storage_of(self).take_back(); }

// ---- methods

PyObject* nbytes(PyObject* self, PyObject*) { return PyLong_FromSsize_t(size_of(self)); }
PyObject* data_ptr(PyObject* self, PyObject*) {
  return PyLong_FromVoidPtr(storage_of(self).data());
}
PyObject* element_size(PyObject*, PyObject*) { return PyLong_FromLong(1); }
PyObject* resizable(PyObject* self, PyObject*) {
  return PyBool_FromLong(storage_of(self).resizable());
}
PyObject* no(PyObject*, PyObject*) { Py_RETURN_FALSE; }
PyObject* itself(PyObject* self, PyObject*) { return Py_NewRef(self); }

PyObject* moved(PyObject* self, Device device) {
  const Storage& source = storage_of(self);
  device = resolved(device);
  if (device == source.device()) return Py_NewRef(self);
  Ref<Storage> copy = Storage::allocate(source.nbytes(), device);
  copy_storage(*copy, source);
  return make(Py_TYPE(self), std::move(copy));
}
PyObject* to_cpu(PyObject* self, PyObject*) {
  return guarded([&] { return moved(self, Device{}); });
}
PyObject* to_device(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded([&] {
    static const char* const kNames[] = {"device", "non_blocking"};
    PyObject* given[2];
    read_arguments("to", kNames, 1, args, n, kwnames, given);
    return moved(self, unwrap_device(given[0]));
  });
}

PyObject* resize(PyObject* self, PyObject* n) {
  return guarded([&] {
    const size_t nbytes = unwrap_nbytes(n, "resize_");
    storage_of(self).resize(nbytes);
    return Py_NewRef(self);
  });
}

Ref<Storage> copy_of(PyObject* self) {
  const Storage& source = storage_of(self);
  Ref<Storage> copy = Storage::allocate(source.nbytes(), source.device());
  copy_storage(*copy, source);
  return copy;
}
PyObject* clone(PyObject* self, PyObject*) {
  return guarded([&] { return make(Py_TYPE(self), copy_of(self)); });
}
PyObject* deepcopy(PyObject* self, PyObject* memo) {
  return guarded([&] {
    if (!PyDict_Check(memo))
      raise_python(PyExc_TypeError, "__deepcopy__(): memo must be a dict, not %.200s",
                   Py_TYPE(memo)->tp_name);
    const Object key(must(PyLong_FromVoidPtr(self)));
    if (PyObject* known = PyDict_GetItemWithError(memo, key.get())) return Py_NewRef(known);
    Object copy(make(Py_TYPE(self), copy_of(self)));
    must(PyDict_SetItem(memo, key.get(), copy.get()));
    return copy.release();
  });
}
PyObject* copy_from(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded([&] {
    static const char* const kNames[] = {"source", "non_blocking"};
    PyObject* given[2];
    read_arguments("copy_", kNames, 1, args, n, kwnames, given);
    if (!is_storage(given[0]))
      raise_python(PyExc_TypeError, "copy_(): expected an UntypedStorage, got %.200s",
                   Py_TYPE(given[0])->tp_name);
    check(size_of(self) == size_of(given[0]), "copy_: size does not match, self was ",
          size_of(self), " bytes but src was ", size_of(given[0]), " bytes");
    copy_storage(storage_of(self), storage_of(given[0]));
    return Py_NewRef(self);
  });
}
PyObject* fill(PyObject* self, PyObject* value) {
  return guarded([&] {
    const uint8_t byte = unwrap_byte(value);
    Storage& s = storage_of(self);
    if (s.nbytes()) fill_bytes(s.data(), s.device(), byte, s.nbytes());
    return Py_NewRef(self);
  });
}
PyObject* tolist(PyObject* self, PyObject*) {
  return guarded([&] {
    const Lent lent(object(self)->storage);  // making a list may run finalizers
    const uint8_t* data = bytes_of(self);
    const Py_ssize_t n = size_of(self);
    Object list(must(PyList_New(n)));
    for (Py_ssize_t i = 0; i < n; ++i)
      PyList_SET_ITEM(list.get(), i, must(PyLong_FromLong(data[i])));
    return list.release();
  });
}
PyObject* new_storage(PyObject* self, PyObject* const* args, Py_ssize_t n) {
  return guarded([&] {
    if (n > 1) raise<TypeError>("new() takes at most 1 argument, but ", n, " were given");
    const size_t size = n ? unwrap_nbytes(args[0], "new") : 0;
    return make(Py_TYPE(self), Storage::allocate(size, storage_of(self).device()));
  });
}
PyObject* from_buffer(PyObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    static const char* const kNames[] = {"buffer", "offset", "count", nullptr};
    Py_ssize_t offset = 0, count = -1;
    PyObject* source;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$nn:from_buffer", const_cast<char**>(kNames),
                                     &source, &offset, &count))
      throw PythonError();
    struct Buffer {
      Py_buffer view{};
      ~Buffer() { PyBuffer_Release(&view); }
    } buffer;
    must(PyObject_GetBuffer(source, &buffer.view, PyBUF_SIMPLE));
    check<ValueError>(offset >= 0 && offset <= buffer.view.len, "from_buffer: offset ", offset,
                      " lies outside the buffer of ", buffer.view.len, " bytes");
    const Py_ssize_t rest = buffer.view.len - offset;
    if (count < 0) count = rest;
    check<ValueError>(count <= rest, "from_buffer: ", count, " bytes were asked for, but only ",
                      rest, " follow offset ", offset);
    Ref<Storage> storage = Storage::allocate(static_cast<size_t>(count), Device{});
    if (count) std::memcpy(storage->data(), static_cast<char*>(buffer.view.buf) + offset, count);
    return make(reinterpret_cast<PyTypeObject*>(type), std::move(storage));
  });
}
PyObject* from_file(PyObject*, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    static PyObject* opened = nullptr;
    return must(PyObject_Call(imported(opened, "flambeau.storage", "from_file"), args, kwargs));
  });
}
PyObject* is_shared(PyObject* self, PyObject*) {
  return PyBool_FromLong(shared_block(storage_of(self)) != nullptr);
}
PyObject* share(PyObject* self, PyObject*) {
  return guarded([&] {
    share_memory(storage_of(self));
    return Py_NewRef(self);
  });
}
PyObject* new_shared(PyObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    static const char* const kNames[] = {"size", "device", nullptr};
    PyObject *size, *device = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O:_new_shared", const_cast<char**>(kNames),
                                     &size, &device))
      throw PythonError();
    check<NotImplementedError>(!device || device == Py_None || unwrap_device(device).is_cpu(),
                               "_new_shared: shared memory is on device 'cpu' only");
    return make(reinterpret_cast<PyTypeObject*>(type),
                new_shared_storage(unwrap_nbytes(size, "_new_shared")));
  });
}
// Whether the code that calls is that of Python's multiprocessing: pickle is C, so the frame is the
// one that made the pickler.
bool sent_between_processes() {
  PyObject* const globals = PyEval_GetGlobals();
  PyObject* const name = globals ? PyDict_GetItemString(globals, "__name__") : nullptr;
  return name && PyUnicode_Check(name) && is_keyword(name, "multiprocessing.reduction");
}
PyObject* reduce(PyObject* self, PyObject*) {
  return guarded([&] {
    if (sent_between_processes()) {
      static PyObject* sent = nullptr;
      return must(PyObject_CallOneArg(
          imported(sent, "flambeau.multiprocessing.reductions", "reduce_storage"), self));
    }
    const Device device = storage_of(self).device();
    if (device.is_meta()) bytes_of(self);  // raises
    const Object rebuild(
        must(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(self)), "from_buffer")));
    const Object here(moved(self, Device{}));
    const Object bytes(must(PyBytes_FromStringAndSize(
        reinterpret_cast<const char*>(bytes_of(here.get())), size_of(self))));
    if (device.is_cpu()) return must(Py_BuildValue("O(O)", rebuild.get(), bytes.get()));
    static PyObject* elsewhere = nullptr;
    return must(Py_BuildValue("O(OO)", imported(elsewhere, "flambeau._tensor", "rebuild_storage"),
                              bytes.get(), Object(wrap(device)).get()));
  });
}

PyObject* repr(PyObject* self) {
  return guarded([&] {
    const Storage& s = storage_of(self);
    std::string text;
    if (s.device().is_cpu())
      for (size_t i = 0; i < s.nbytes(); ++i)
        text += concat(" ", static_cast<int>(static_cast<const uint8_t*>(s.data())[i]), "\n");
    else
      text = "...\n";
    text += concat("[torch.storage.UntypedStorage(device=", s.device().str(), ") of size ",
                   s.nbytes(), "]");
    return must(PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
  });
}

PyObject* get_device(PyObject* self, void*) { return wrap(storage_of(self).device()); }
PyObject* get_cdata(PyObject* self, void*) {
  return PyLong_FromVoidPtr(object(self)->storage.get());
}
PyObject* get_is_cuda(PyObject*, void*) { Py_RETURN_FALSE; }

PyMethodDef methods[] = {
    {"nbytes", nbytes, METH_NOARGS, "The number of bytes."},
    {"size", nbytes, METH_NOARGS, "The number of bytes."},
    {"data_ptr", data_ptr, METH_NOARGS, "The address of the first byte."},
    {"element_size", element_size, METH_NOARGS, "Bytes per element: 1."},
    {"resizable", resizable, METH_NOARGS, "Whether resize_ can change the size."},
    {"is_shared", is_shared, METH_NOARGS, "Whether other processes share the memory."},
    {"is_pinned", reinterpret_cast<PyCFunction>(no), METH_VARARGS,
     "Whether the memory is page-locked for an accelerator."},
    {"resize_", resize, METH_O, "Changes the number of bytes; the common part is kept."},
    {"clone", clone, METH_NOARGS, "A copy."},
    {"cpu", to_cpu, METH_NOARGS, "Itself where it is on the CPU, else a copy there."},
    {"to", c_function(to_device), METH_FASTCALL | METH_KEYWORDS,
     "Itself where it is on that device, else a copy there."},
    {"untyped", itself, METH_NOARGS, "The storage itself."},
    {"copy_", c_function(copy_from), METH_FASTCALL | METH_KEYWORDS,
     "Copies another storage of the same size."},
    {"fill_", fill, METH_O, "Sets all bytes."},
    {"tolist", tolist, METH_NOARGS, "The bytes as a list of ints."},
    {"new", c_function(new_storage), METH_FASTCALL, "An uninitialised storage on the same device."},
    {"from_buffer", c_function(from_buffer), METH_CLASS | METH_VARARGS | METH_KEYWORDS,
     "A storage with a copy of a buffer's bytes."},
    {"from_file", c_function(from_file), METH_STATIC | METH_VARARGS | METH_KEYWORDS,
     "from_file(filename, shared=False, nbytes=0): a storage of a file's bytes, read when touched; "
     "with shared=True what is written goes into the file."},
    {"share_memory_", share, METH_NOARGS,
     "Moves the bytes to where other processes can share them; returns the storage."},
    {"_new_shared", c_function(new_shared), METH_CLASS | METH_VARARGS | METH_KEYWORDS, nullptr},
    {"__deepcopy__", deepcopy, METH_O, nullptr},
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {}};
PyGetSetDef properties[] = {{"device", get_device, nullptr, "Where the bytes are.", {}},
                            {"_cdata", get_cdata, nullptr, "Identifies the storage.", {}},
                            {"is_cuda", get_is_cuda, nullptr, nullptr, {}},
                            {}};
PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(StorageObject, weakrefs), READONLY, nullptr}, {}};
PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("UntypedStorage(nbytes, device='cpu'): memory of tensors.")},
    {Py_tp_new, reinterpret_cast<void*>(storage_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_repr, reinterpret_cast<void*>(repr)},
    {Py_mp_length, reinterpret_cast<void*>(length)},
    {Py_mp_subscript, reinterpret_cast<void*>(get_item)},
    {Py_mp_ass_subscript, reinterpret_cast<void*>(set_item)},
    {Py_bf_getbuffer, reinterpret_cast<void*>(get_bytes_buffer)},
    {Py_bf_releasebuffer, reinterpret_cast<void*>(release_bytes_buffer)},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, members},
    {}};
PyType_Spec spec = {"flambeau.UntypedStorage", sizeof(StorageObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

// _storage_of(tensor): for who asks where its memory is, or how much; reads through it are not
// seen.
PyObject* storage_of_function(PyObject*, PyObject* tensor) {
  return guarded([&] {
    check<TypeError>(is_tensor(tensor), "_storage_of: expected a Tensor");
    return must(wrap_storage(unwrap(tensor).impl()->storage()));
  });
}
// _crc32(buffer, crc=0): the checksum of its bytes behind those that `crc` is of.
PyObject* crc32_function(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&] {
    check<TypeError>(n == 1 || n == 2, "_crc32: expected a buffer and the checksum so far, got ", n,
                     " arguments");
    uint32_t crc = n == 2 ? static_cast<uint32_t>(unwrap_int(args[1])) : 0;
    Py_buffer view;
    if (PyObject_GetBuffer(args[0], &view, PyBUF_SIMPLE) < 0) throw PythonError();
    {
      const ReleaseGil released;
      crc = crc32(crc, view.buf, static_cast<size_t>(view.len));
    }
    PyBuffer_Release(&view);
    return PyLong_FromUnsignedLong(crc);
  });
}

PyMethodDef functions[] = {{"_storage_of", storage_of_function, METH_O, nullptr},
                           {"_crc32", c_function(crc32_function), METH_FASTCALL, nullptr},
                           {}};

}  // namespace

PyObject* wrap_storage(Ref<Storage> storage) {
  storage->expose();
  const TieLock lock(storage.get());
  auto* known = static_cast<PyObject*>(storage->py_object.load(std::memory_order_relaxed));
  if (known && try_new_ref(known)) return known;
  return make(storage_type, std::move(storage));
}

const Ref<Storage>& unwrap_storage(PyObject* o) {
  if (is_storage(o)) return object(o)->storage;
  raise_python(PyExc_TypeError, "expected an UntypedStorage, got %.200s", Py_TYPE(o)->tp_name);
}

bool init_storage(PyObject* module) {
  storage_type = make_type(module, &spec, "UntypedStorage");
  return storage_type != nullptr && PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace flambeau::python
