# tidewheel_module(NAME [DEPS module...] [LINK library...] [TEST_LINK library...]): one static library a folder of
# src/tidewheel, and one test binary of all its *_test.cc. Files are found by name, so adding one
# needs no edit here (CONFIGURE_DEPENDS).
include_guard()
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)

add_library(tidewheel_flags INTERFACE)
target_include_directories(tidewheel_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(tidewheel_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Werror -fno-plt
  $<$<BOOL:${TIDEWHEEL_ARCH}>:-march=${TIDEWHEEL_ARCH}>)
target_compile_definitions(tidewheel_flags INTERFACE
  $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS TIDEWHEEL_DEBUG>)
target_link_libraries(tidewheel_flags INTERFACE Threads::Threads)

if(TIDEWHEEL_PCH)
  add_library(tidewheel_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
  target_link_libraries(tidewheel_pch PRIVATE tidewheel_flags fmt::fmt)
  target_precompile_headers(tidewheel_pch PRIVATE
    <algorithm> <array> <atomic> <chrono> <cstdint> <cstring> <deque> <functional> <map> <memory>
    <optional> <span> <string> <string_view> <tuple> <type_traits> <unordered_map> <utility>
    <variant> <vector> <fmt/format.h>)
endif()

# Applies the project's flags and the shared precompiled header to a target.
function(tidewheel_target target)
  target_link_libraries(${target} PRIVATE tidewheel_flags)
  if(TIDEWHEEL_PCH)
    target_precompile_headers(${target} REUSE_FROM tidewheel_pch)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "EXECUTABLE")
      target_compile_options(${target} PRIVATE -fPIC)  # as the precompiled header, after CMake's -fPIE
    endif()
  endif()
endfunction()

function(tidewheel_module name)
  cmake_parse_arguments(M "" "DIR" "DEPS;LINK;TEST_LINK" ${ARGN})
  if(NOT M_DIR)
    set(M_DIR ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${M_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  string(REPLACE "/" "_" flat ${name})
  set(library tidewheel_${flat})
  list(TRANSFORM M_DEPS PREPEND tidewheel_)
  if(sources)
    add_library(${library} STATIC ${sources})
    tidewheel_target(${library})
    target_include_directories(${library} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
    target_link_libraries(${library} PUBLIC ${M_DEPS} fmt::fmt ${M_LINK})
  else()
    add_library(${library} INTERFACE)
    target_include_directories(${library} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
    target_link_libraries(${library} INTERFACE ${M_DEPS} fmt::fmt ${M_LINK})
  endif()
  if(TIDEWHEEL_BUILD_TESTS AND tests)
    find_package(GTest REQUIRED)
    include(GoogleTest)
    add_executable(${flat}_test ${tests})
    tidewheel_target(${flat}_test)
    target_link_libraries(${flat}_test PRIVATE ${library} ${M_TEST_LINK} GTest::gtest GTest::gtest_main)
    gtest_discover_tests(${flat}_test TEST_PREFIX "${name}." PROPERTIES LABELS fast
      DISCOVERY_TIMEOUT 60)
  endif()
endfunction()
