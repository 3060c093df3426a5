// Structured bindings of every arity, 1 to 64: the one way that C++20 gives to an aggregate's
// fields. Regular, so that one can check it by eye; included by types/reflect.h only.
#pragma once
#include <cstddef>

namespace tidewheel::detail {

// Calls `f` with references to the `kCount` fields of `value`, in order.
template <size_t kCount, class T, class F>
constexpr decltype(auto) bind_fields(T& value, F&& f) {
  if constexpr (kCount == 1) {
    auto& [f0] = value;
    return static_cast<F&&>(f)(f0);
  } else if constexpr (kCount == 2) {
    auto& [f0, f1] = value;
    return static_cast<F&&>(f)(f0, f1);
  } else if constexpr (kCount == 3) {
    auto& [f0, f1, f2] = value;
    return static_cast<F&&>(f)(f0, f1, f2);
  } else if constexpr (kCount == 4) {
    auto& [f0, f1, f2, f3] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3);
  } else if constexpr (kCount == 5) {
    auto& [f0, f1, f2, f3, f4] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4);
  } else if constexpr (kCount == 6) {
    auto& [f0, f1, f2, f3, f4, f5] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5);
  } else if constexpr (kCount == 7) {
    auto& [f0, f1, f2, f3, f4, f5, f6] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6);
  } else if constexpr (kCount == 8) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7);
  } else if constexpr (kCount == 9) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8);
  } else if constexpr (kCount == 10) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9);
  } else if constexpr (kCount == 11) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10);
  } else if constexpr (kCount == 12) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11);
  } else if constexpr (kCount == 13) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12);
  } else if constexpr (kCount == 14) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13);
  } else if constexpr (kCount == 15) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14);
  } else if constexpr (kCount == 16) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14,
                               f15);
  } else if constexpr (kCount == 17) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16);
  } else if constexpr (kCount == 18) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17);
  } else if constexpr (kCount == 19) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18] =
        value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18);
  } else if constexpr (kCount == 20) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18,
           f19] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19);
  } else if constexpr (kCount == 21) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20);
  } else if constexpr (kCount == 22) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21);
  } else if constexpr (kCount == 23) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22);
  } else if constexpr (kCount == 24) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23);
  } else if constexpr (kCount == 25) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24);
  } else if constexpr (kCount == 26) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25);
  } else if constexpr (kCount == 27) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26);
  } else if constexpr (kCount == 28) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27);
  } else if constexpr (kCount == 29) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28);
  } else if constexpr (kCount == 30) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28,
                               f29);
  } else if constexpr (kCount == 31) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30);
  } else if constexpr (kCount == 32) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31);
  } else if constexpr (kCount == 33) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32);
  } else if constexpr (kCount == 34) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33);
  } else if constexpr (kCount == 35) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34);
  } else if constexpr (kCount == 36) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35);
  } else if constexpr (kCount == 37) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36] =
        value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36);
  } else if constexpr (kCount == 38) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36,
           f37] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37);
  } else if constexpr (kCount == 39) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38);
  } else if constexpr (kCount == 40) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39);
  } else if constexpr (kCount == 41) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40);
  } else if constexpr (kCount == 42) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41);
  } else if constexpr (kCount == 43) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42);
  } else if constexpr (kCount == 44) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42,
                               f43);
  } else if constexpr (kCount == 45) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44);
  } else if constexpr (kCount == 46) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45);
  } else if constexpr (kCount == 47) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46);
  } else if constexpr (kCount == 48) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47);
  } else if constexpr (kCount == 49) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48);
  } else if constexpr (kCount == 50) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49);
  } else if constexpr (kCount == 51) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50);
  } else if constexpr (kCount == 52) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51);
  } else if constexpr (kCount == 53) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52);
  } else if constexpr (kCount == 54) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52, f53);
  } else if constexpr (kCount == 55) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54] =
        value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54);
  } else if constexpr (kCount == 56) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54,
           f55] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55);
  } else if constexpr (kCount == 57) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55,
           f56] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55, f56);
  } else if constexpr (kCount == 58) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55,
           f56, f57] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55, f56,
                               f57);
  } else if constexpr (kCount == 59) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55,
           f56, f57, f58] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55, f56, f57,
                               f58);
  } else if constexpr (kCount == 60) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55,
           f56, f57, f58, f59] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55, f56, f57,
                               f58, f59);
  } else if constexpr (kCount == 61) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55,
           f56, f57, f58, f59, f60] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55, f56, f57,
                               f58, f59, f60);
  } else if constexpr (kCount == 62) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55,
           f56, f57, f58, f59, f60, f61] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55, f56, f57,
                               f58, f59, f60, f61);
  } else if constexpr (kCount == 63) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55,
           f56, f57, f58, f59, f60, f61, f62] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55, f56, f57,
                               f58, f59, f60, f61, f62);
  } else if constexpr (kCount == 64) {
    auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19,
           f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33, f34, f35, f36, f37,
           f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55,
           f56, f57, f58, f59, f60, f61, f62, f63] = value;
    return static_cast<F&&>(f)(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15,
                               f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
                               f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43,
                               f44, f45, f46, f47, f48, f49, f50, f51, f52, f53, f54, f55, f56, f57,
                               f58, f59, f60, f61, f62, f63);
  }
}

}  // namespace tidewheel::detail
