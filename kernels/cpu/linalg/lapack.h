// LAPACK: a C library that is opened at first use. What is called here has one thread; batches are
// split over the pool (batch.h).
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace flambeau::inline v1::lapack {

// Who knows where the library lies, before the environment is asked: the binding, for Python's
// packages. Gives an empty text where it knows of none. It may take Python's lock.
using Finder = std::string (*)();
void set_finder(Finder finder);

// Opens the library; an Error that says what to install where there is none. Kernels call it first,
// on the thread of the call and outside of all locks, since the finder may run Python.
void open();
std::string path();  // of the library that is open; empty before

// "potrf_" of the kind that the letter names: after open(), and an Error where it lacks.
void* symbol(char letter, const char* name);

// Sizes as LAPACK counts them; an Error beyond 2^31 - 1.
int size(int64_t n);

template <class T>
struct Kind;
template <>
struct Kind<float> {
  using Real = float;
  static constexpr char letter = 's';
};
template <>
struct Kind<double> {
  using Real = double;
  static constexpr char letter = 'd';
};
template <>
struct Kind<std::complex<float>> {
  using Real = float;
  static constexpr char letter = 'c';
};
template <>
struct Kind<std::complex<double>> {
  using Real = double;
  static constexpr char letter = 'z';
};
template <class T>
using Real = typename Kind<T>::Real;
template <class T>
constexpr bool is_complex = !std::is_same_v<T, Real<T>>;

template <class T, class F>
F* routine(const char* name) {
  return reinterpret_cast<F*>(symbol(Kind<T>::letter, name));
}

using Int = const int*;
using Char = const char*;

// Each gives `info`. Matrices lie by columns, `ld` apart. Fortran's texts are followed by their
// lengths, after all other arguments.

template <class T>
int potrf(char uplo, int n, T* a, int lda) {
  static const auto f = routine<T, void(Char, Int, T*, Int, int*, size_t)>("potrf_");
  int info = 0;
  f(&uplo, &n, a, &lda, &info, 1);
  return info;
}

template <class T>
int potrs(char uplo, int n, int columns, const T* a, int lda, T* b, int ldb) {
  static const auto f =
      routine<T, void(Char, Int, Int, const T*, Int, T*, Int, int*, size_t)>("potrs_");
  int info = 0;
  f(&uplo, &n, &columns, a, &lda, b, &ldb, &info, 1);
  return info;
}

template <class T>
int potri(char uplo, int n, T* a, int lda) {
  static const auto f = routine<T, void(Char, Int, T*, Int, int*, size_t)>("potri_");
  int info = 0;
  f(&uplo, &n, a, &lda, &info, 1);
  return info;
}

template <class T>
int getrf(int m, int n, T* a, int lda, int* pivots) {
  static const auto f = routine<T, void(Int, Int, T*, Int, int*, int*)>("getrf_");
  int info = 0;
  f(&m, &n, a, &lda, pivots, &info);
  return info;
}

template <class T>
int getrs(char trans, int n, int columns, const T* a, int lda, const int* pivots, T* b, int ldb) {
  static const auto f =
      routine<T, void(Char, Int, Int, const T*, Int, const int*, T*, Int, int*, size_t)>("getrs_");
  int info = 0;
  f(&trans, &n, &columns, a, &lda, pivots, b, &ldb, &info, 1);
  return info;
}

template <class T>
int getri(int n, T* a, int lda, const int* pivots, T* work, int lwork) {
  static const auto f = routine<T, void(Int, T*, Int, const int*, T*, Int, int*)>("getri_");
  int info = 0;
  f(&n, a, &lda, pivots, work, &lwork, &info);
  return info;
}

template <class T>
void trsm(char side, char uplo, char trans, char diag, int m, int n, const T* a, int lda, T* b,
          int ldb) {
  static const auto f = routine<T, void(Char, Char, Char, Char, Int, Int, const T*, const T*, Int,
                                        T*, Int, size_t, size_t, size_t, size_t)>("trsm_");
  const T one = 1;
  f(&side, &uplo, &trans, &diag, &m, &n, &one, a, &lda, b, &ldb, 1, 1, 1, 1);
}

template <class T>
int factor_qr(int m, int n, T* a, int lda, T* tau, T* work, int lwork) {
  static const auto f = routine<T, void(Int, Int, T*, Int, T*, T*, Int, int*)>("geqrf_");
  int info = 0;
  f(&m, &n, a, &lda, tau, work, &lwork, &info);
  return info;
}

// Q of `reflectors` Householder reflections, in place.
template <class T>
int make_q(int m, int n, int reflectors, T* a, int lda, const T* tau, T* work, int lwork) {
  static const auto f = routine<T, void(Int, Int, Int, T*, Int, const T*, T*, Int, int*)>(
      is_complex<T> ? "ungqr_" : "orgqr_");
  int info = 0;
  f(&m, &n, &reflectors, a, &lda, tau, work, &lwork, &info);
  return info;
}

template <class T>
int times_q(char side, char trans, int m, int n, int reflectors, const T* a, int lda, const T* tau,
            T* c, int ldc, T* work, int lwork) {
  static const auto f =
      routine<T, void(Char, Char, Int, Int, Int, const T*, Int, const T*, T*, Int, T*, Int, int*,
                      size_t, size_t)>(is_complex<T> ? "unmqr_" : "ormqr_");
  int info = 0;
  f(&side, &trans, &m, &n, &reflectors, a, &lda, tau, c, &ldc, work, &lwork, &info, 1, 1);
  return info;
}

// Eigenvalues of a Hermitian matrix, and its eigenvectors in its place.
template <class T>
int heevd(char job, char uplo, int n, T* a, int lda, Real<T>* w, T* work, int lwork, Real<T>* rwork,
          int lrwork, int* iwork, int liwork) {
  int info = 0;
  if constexpr (is_complex<T>) {
    static const auto f = routine<T, void(Char, Char, Int, T*, Int, Real<T>*, T*, Int, Real<T>*,
                                          Int, int*, Int, int*, size_t, size_t)>("heevd_");
    f(&job, &uplo, &n, a, &lda, w, work, &lwork, rwork, &lrwork, iwork, &liwork, &info, 1, 1);
  } else {
    static const auto f =
        routine<T, void(Char, Char, Int, T*, Int, T*, T*, Int, int*, Int, int*, size_t, size_t)>(
            "syevd_");
    f(&job, &uplo, &n, a, &lda, w, work, &lwork, iwork, &liwork, &info, 1, 1);
  }
  return info;
}

template <class T>
int gesdd(char job, int m, int n, T* a, int lda, Real<T>* s, T* u, int ldu, T* vt, int ldvt,
          T* work, int lwork, Real<T>* rwork, int* iwork) {
  int info = 0;
  if constexpr (is_complex<T>) {
    static const auto f = routine<T, void(Char, Int, Int, T*, Int, Real<T>*, T*, Int, T*, Int, T*,
                                          Int, Real<T>*, int*, int*, size_t)>("gesdd_");
    f(&job, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, rwork, iwork, &info, 1);
  } else {
    static const auto f = routine<T, void(Char, Int, Int, T*, Int, T*, T*, Int, T*, Int, T*, Int,
                                          int*, int*, size_t)>("gesdd_");
    f(&job, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, iwork, &info, 1);
  }
  return info;
}

// Right eigenvectors; of real matrices the eigenvalues as two parts, wr and wi.
template <class T>
int geev(char jobvr, int n, T* a, int lda, T* wr, T* wi, T* vr, int ldvr, T* work, int lwork,
         Real<T>* rwork) {
  const char none = 'N';
  const int one = 1;
  int info = 0;
  if constexpr (is_complex<T>) {
    static const auto f = routine<T, void(Char, Char, Int, T*, Int, T*, T*, Int, T*, Int, T*, Int,
                                          Real<T>*, int*, size_t, size_t)>("geev_");
    f(&none, &jobvr, &n, a, &lda, wr, nullptr, &one, vr, &ldvr, work, &lwork, rwork, &info, 1, 1);
  } else {
    static const auto f = routine<T, void(Char, Char, Int, T*, Int, T*, T*, T*, Int, T*, Int, T*,
                                          Int, int*, size_t, size_t)>("geev_");
    f(&none, &jobvr, &n, a, &lda, wr, wi, nullptr, &one, vr, &ldvr, work, &lwork, &info, 1, 1);
  }
  return info;
}

// Least squares. By QR, of matrices of full rank:
template <class T>
int gels(int m, int n, int columns, T* a, int lda, T* b, int ldb, T* work, int lwork) {
  static const auto f =
      routine<T, void(Char, Int, Int, Int, T*, Int, T*, Int, T*, Int, int*, size_t)>("gels_");
  const char none = 'N';
  int info = 0;
  f(&none, &m, &n, &columns, a, &lda, b, &ldb, work, &lwork, &info, 1);
  return info;
}

// By QR with pivots:
template <class T>
int gelsy(int m, int n, int columns, T* a, int lda, T* b, int ldb, int* jpvt, Real<T> rcond,
          int* rank, T* work, int lwork, Real<T>* rwork) {
  int info = 0;
  if constexpr (is_complex<T>) {
    static const auto f = routine<T, void(Int, Int, Int, T*, Int, T*, Int, int*, const Real<T>*,
                                          int*, T*, Int, Real<T>*, int*)>("gelsy_");
    f(&m, &n, &columns, a, &lda, b, &ldb, jpvt, &rcond, rank, work, &lwork, rwork, &info);
  } else {
    static const auto f =
        routine<T, void(Int, Int, Int, T*, Int, T*, Int, int*, const T*, int*, T*, Int, int*)>(
            "gelsy_");
    f(&m, &n, &columns, a, &lda, b, &ldb, jpvt, &rcond, rank, work, &lwork, &info);
  }
  return info;
}

// By singular values, divided and conquered or not:
template <class T>
int gelsd(int m, int n, int columns, T* a, int lda, T* b, int ldb, Real<T>* s, Real<T> rcond,
          int* rank, T* work, int lwork, Real<T>* rwork, int* iwork) {
  int info = 0;
  if constexpr (is_complex<T>) {
    static const auto f = routine<T, void(Int, Int, Int, T*, Int, T*, Int, Real<T>*, const Real<T>*,
                                          int*, T*, Int, Real<T>*, int*, int*)>("gelsd_");
    f(&m, &n, &columns, a, &lda, b, &ldb, s, &rcond, rank, work, &lwork, rwork, iwork, &info);
  } else {
    static const auto f =
        routine<T, void(Int, Int, Int, T*, Int, T*, Int, T*, const T*, int*, T*, Int, int*, int*)>(
            "gelsd_");
    f(&m, &n, &columns, a, &lda, b, &ldb, s, &rcond, rank, work, &lwork, iwork, &info);
  }
  return info;
}

template <class T>
int gelss(int m, int n, int columns, T* a, int lda, T* b, int ldb, Real<T>* s, Real<T> rcond,
          int* rank, T* work, int lwork, Real<T>* rwork) {
  int info = 0;
  if constexpr (is_complex<T>) {
    static const auto f = routine<T, void(Int, Int, Int, T*, Int, T*, Int, Real<T>*, const Real<T>*,
                                          int*, T*, Int, Real<T>*, int*)>("gelss_");
    f(&m, &n, &columns, a, &lda, b, &ldb, s, &rcond, rank, work, &lwork, rwork, &info);
  } else {
    static const auto f =
        routine<T, void(Int, Int, Int, T*, Int, T*, Int, T*, const T*, int*, T*, Int, int*)>(
            "gelss_");
    f(&m, &n, &columns, a, &lda, b, &ldb, s, &rcond, rank, work, &lwork, &info);
  }
  return info;
}

}  // namespace flambeau::inline v1::lapack
