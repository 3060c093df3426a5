// How a plug-in and the engine that loads it tell whether their classes lie in memory alike. Both
// compile this; what the compiler says of itself goes into the plug-in's note, together with a hash
// of the headers (TIDEWHEEL_FINGERPRINT, which the build makes: cmake/EngineFingerprint.cmake).
#pragma once
#include <string>  // for the macros of the standard library

#define TIDEWHEEL_BUILD_TEXT_(x) #x
#define TIDEWHEEL_BUILD_TEXT(x) TIDEWHEEL_BUILD_TEXT_(x)

#ifdef __clang__
#define TIDEWHEEL_BUILD_COMPILER "clang " TIDEWHEEL_BUILD_TEXT(__clang_major__)
#else
#define TIDEWHEEL_BUILD_COMPILER "g++ " TIDEWHEEL_BUILD_TEXT(__GNUC__)
#endif
#ifdef _GLIBCXX_RELEASE
#define TIDEWHEEL_BUILD_LIBRARY                                                  \
  " libstdc++ " TIDEWHEEL_BUILD_TEXT(_GLIBCXX_RELEASE) "." TIDEWHEEL_BUILD_TEXT( \
      _GLIBCXX_USE_CXX11_ABI)
#else
#define TIDEWHEEL_BUILD_LIBRARY " another standard library"
#endif
#ifdef TIDEWHEEL_DEBUG
#define TIDEWHEEL_BUILD_KIND " debug"
#else
#define TIDEWHEEL_BUILD_KIND " release"
#endif
#if defined(__SANITIZE_ADDRESS__)
#define TIDEWHEEL_BUILD_CHECKS " asan"
#elif defined(__SANITIZE_THREAD__)
#define TIDEWHEEL_BUILD_CHECKS " tsan"
#else
#define TIDEWHEEL_BUILD_CHECKS ""
#endif

// "g++ 12 libstdc++ 12.1 release"
#define TIDEWHEEL_ENGINE_BUILD \
  TIDEWHEEL_BUILD_COMPILER TIDEWHEEL_BUILD_LIBRARY TIDEWHEEL_BUILD_KIND TIDEWHEEL_BUILD_CHECKS
