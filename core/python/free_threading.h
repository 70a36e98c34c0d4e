// What takes the place of Python's lock in builds for free-threaded Python (Py_GIL_DISABLED). With
// the lock all of it is nothing.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <atomic>
#include <cstdint>

namespace flambeau::python {

// Note [Ties]. A tensor, a storage or a node has at most one Python object, to which it holds a
// borrowed pointer. Who follows that pointer may meet an object whose last reference is just being
// dropped by another thread. So the pointer is read and cleared under a lock (one of several, by
// address), memory is given back only after it was cleared, and who reads it takes a reference only
// while there still is one.
#ifdef Py_GIL_DISABLED

class TieLock {
 public:
  explicit TieLock(const void* of) : mutex_(at(of)) { PyMutex_Lock(&mutex_); }
  ~TieLock() { PyMutex_Unlock(&mutex_); }
  TieLock(const TieLock&) = delete;

 private:
  static constexpr size_t kMutexes = 64;
  static PyMutex& at(const void* of) {
    static PyMutex mutexes[kMutexes];
    return mutexes[(reinterpret_cast<uintptr_t>(of) >> 5) % kMutexes];
  }
  PyMutex& mutex_;
};

#if PY_VERSION_HEX >= 0x030E0000
inline void allow_try(PyObject* o) { PyUnstable_EnableTryIncRef(o); }
inline bool try_new_ref(PyObject* o) { return PyUnstable_TryIncRef(o) != 0; }
#else
// 3.13 counts the references of the owning thread and of the others apart. With this flag the
// owner's last reference also goes through the shared count, so one word says whether it is dead.
inline void allow_try(PyObject* o) {
  std::atomic_ref<Py_ssize_t> shared(o->ob_ref_shared);
  Py_ssize_t seen = shared.load(std::memory_order_relaxed);
  while (!(seen & _Py_REF_SHARED_FLAG_MASK) &&
         !shared.compare_exchange_weak(seen, seen | _Py_REF_MAYBE_WEAKREF)) {
  }
}
inline bool try_new_ref(PyObject* o) {
  std::atomic_ref<uint32_t> own(o->ob_ref_local);
  const uint32_t local = own.load(std::memory_order_relaxed);
  if (local == UINT32_MAX) return true;  // immortal
  if (o->ob_tid == _Py_ThreadId()) {
    own.store(local + 1, std::memory_order_relaxed);
    return true;
  }
  std::atomic_ref<Py_ssize_t> shared(o->ob_ref_shared);
  Py_ssize_t seen = shared.load(std::memory_order_relaxed);
  do {
    if (seen == 0 || seen == _Py_REF_MERGED) return false;
  } while (!shared.compare_exchange_weak(seen, seen + (Py_ssize_t{1} << _Py_REF_SHARED_SHIFT)));
  return true;
}
#endif

#else

struct TieLock {
  explicit TieLock(const void*) {}
};
inline void allow_try(PyObject*) {}
inline bool try_new_ref(PyObject* o) {
  Py_INCREF(o);
  return true;
}

#endif

// One lock for the tables of the binding: types, op objects, signatures. What runs under it calls
// no code of the program's.
class TableLock {
#ifdef Py_GIL_DISABLED
 public:
  TableLock() { PyMutex_Lock(&mutex()); }
  ~TableLock() { PyMutex_Unlock(&mutex()); }
  TableLock(const TableLock&) = delete;

 private:
  static PyMutex& mutex() {
    static PyMutex one;
    return one;
  }
#else
 public:
  TableLock() {}
  ~TableLock() {}
#endif
};

// A value that any thread may make and that is the same for all: the first one counts. `drop` is
// called with one that came too late.
template <class T, class Drop>
T* publish_first(T*& place, T* made, Drop&& drop) {
  T* there = nullptr;
  if (std::atomic_ref<T*>(place).compare_exchange_strong(there, made)) return made;
  drop(made);
  return there;
}
template <class T>
T* published(T*& place) {
  return std::atomic_ref<T*>(place).load(std::memory_order_acquire);
}

}  // namespace flambeau::python
