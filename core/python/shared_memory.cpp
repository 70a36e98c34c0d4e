// Storages that processes share, for flambeau.multiprocessing, and what loaders' workers need of
// the system.
#include <sys/prctl.h>

#include <cstring>

#include "core/python/binding.h"
#include "core/random/generator.h"
#include "core/tensor/shared_storage.h"

namespace flambeau::python {
namespace {

// _send_storage(storage): moves it to shared memory where it is not there yet, and gives the ticket
// that _receive_storage in another process takes. Of one that has to stay where it is, a copy goes.
PyObject* send_storage(PyObject*, PyObject* o) {
  return guarded([&] {
    Ref<Storage> sent = unwrap_storage(o);
    if (!shared_block(*sent) && sent->lent() && sent->device().is_cpu()) {
      Ref<Storage> copy = new_shared_storage(sent->nbytes());
      if (sent->nbytes()) std::memcpy(copy->data(), sent->data(), sent->nbytes());
      sent = std::move(copy);
    }
    Storage& storage = *sent;
    share_memory(storage);
    const memory::SharedTicket t = memory::shared_send(shared_block(storage));
    return must(Py_BuildValue(
        "KLLKKn", static_cast<unsigned long long>(t.segment), static_cast<long long>(t.process),
        static_cast<long long>(t.descriptor), static_cast<unsigned long long>(t.offset),
        static_cast<unsigned long long>(t.serial), static_cast<Py_ssize_t>(storage.nbytes())));
  });
}
PyObject* receive_storage(PyObject*, PyObject* args) {
  unsigned long long segment, offset, serial;
  long long process, descriptor;
  Py_ssize_t nbytes;
  if (!PyArg_ParseTuple(args, "KLLKKn:_receive_storage", &segment, &process, &descriptor, &offset,
                        &serial, &nbytes))
    return nullptr;
  return guarded([&] {
    check<ValueError>(nbytes >= 0, "_receive_storage: a storage cannot have ", nbytes, " bytes");
    memory::SharedBlock* const block =
        memory::shared_receive({segment, process, descriptor, offset, serial});
    return wrap_storage(wrap_shared(block, static_cast<size_t>(nbytes)));
  });
}
PyObject* trim(PyObject*, PyObject*) {
  memory::shared_trim();
  Py_RETURN_NONE;
}
PyObject* stats(PyObject*, PyObject*) {
  const memory::SharedStats s = memory::shared_stats();
  return Py_BuildValue("{s:K,s:K,s:K}", "segments", static_cast<unsigned long long>(s.segments),
                       "blocks", static_cast<unsigned long long>(s.blocks), "cached_bytes",
                       static_cast<unsigned long long>(s.cached_bytes));
}

// _end_with_parent(signal): which this process gets when the thread that made it ends.
PyObject* end_with_parent(PyObject*, PyObject* number) {
  return guarded([&] {
    const int64_t value = unwrap_int(number);
    check(prctl(PR_SET_PDEATHSIG, static_cast<unsigned long>(value)) == 0,
          "_end_with_parent: the system knows no signal ", value);
    return Py_NewRef(Py_None);
  });
}

// _use_generator(generator): this thread's default generator, as long as what is returned lives,
// which has to end on this thread.
constexpr const char* kScope = "flambeau.UseGenerator";
void leave(PyObject* capsule) {
  auto* const held = static_cast<PyObject*>(PyCapsule_GetContext(capsule));
  delete static_cast<UseGenerator*>(PyCapsule_GetPointer(capsule, kScope));
  Py_XDECREF(held);
}
PyObject* use_generator(PyObject*, PyObject* o) {
  return guarded([&] {
    auto scope = std::make_unique<UseGenerator>(*unwrap_generator(o));
    PyObject* const capsule = must(PyCapsule_New(scope.get(), kScope, leave));
    scope.release();
    PyCapsule_SetContext(capsule, Py_NewRef(o));
    return capsule;
  });
}

PyMethodDef functions[] = {{"_send_storage", send_storage, METH_O, nullptr},
                           {"_receive_storage", receive_storage, METH_VARARGS, nullptr},
                           {"_trim_shared", trim, METH_NOARGS, nullptr},
                           {"_shared_stats", stats, METH_NOARGS, nullptr},
                           {"_end_with_parent", end_with_parent, METH_O, nullptr},
                           {"_use_generator", use_generator, METH_O, nullptr},
                           {}};

}  // namespace

bool init_shared_memory(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace flambeau::python
