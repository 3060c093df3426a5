# tidewheel_module(NAME [DEPS module...] [LINK library...] [TEST_LINK library...]): a static library
# for a folder of src/tidewheel, and a test binary for its *_test.cc. Files are found by name, so adding
# one needs no edit here (CONFIGURE_DEPENDS). DEPS are checked against ARCHITECTURE.md by tools/layers.
include_guard()
include(GNUInstallDirs)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
# What a user of the package has to find too.
set(TIDEWHEEL_PACKAGES Threads fmt)

# Warnings are errors with the compiler that the project is developed with; with others they are only
# warnings, so that a newer one does not stop a build.
set(TIDEWHEEL_FLAGS -Wall -Wextra -Wshadow -Wconversion -fPIC -fvisibility=hidden
  -fno-semantic-interposition $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND TIDEWHEEL_FLAGS -Werror)
  if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    # GCC 12 guesses these from what -O3 inlines and unrolls, and from what sanitizers put in, often
    # wrongly; the debug build keeps them.
    list(APPEND TIDEWHEEL_FLAGS -Wno-array-bounds -Wno-maybe-uninitialized -Wno-stringop-overflow
      -Wno-stringop-overread -Wno-restrict)
  endif()
endif()
if(TIDEWHEEL_ARCH)
  list(APPEND TIDEWHEEL_FLAGS -march=${TIDEWHEEL_ARCH})
endif()
set(TIDEWHEEL_DEFINITIONS "")
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  set(TIDEWHEEL_DEFINITIONS _GLIBCXX_ASSERTIONS TIDEWHEEL_DEBUG)
endif()

set(TIDEWHEEL_PCH_HEADERS
  <algorithm> <array> <atomic> <chrono> <cstdint> <cstring> <deque> <functional> <map> <memory>
  <optional> <span> <string> <string_view> <tuple> <type_traits> <unordered_map> <utility>
  <variant> <vector> <fmt/format.h>)
# Tests are compiled in the release build too, where optimizing them costs far more time than running
# them slowly does.
set(TIDEWHEEL_TEST_FLAGS $<$<CONFIG:Release>:-O1>)

function(tidewheel_flags target)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${target} PRIVATE ${TIDEWHEEL_FLAGS})
  target_compile_definitions(${target} PRIVATE ${TIDEWHEEL_DEFINITIONS})
  # -fPIC is in the flags, for programs too: one precompiled header then fits libraries (which end up
  # in plug-ins) and programs. With hidden visibility it costs nothing.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
endfunction()

# A precompiled header is bound to its flags: one for the engine, one (with GoogleTest) for tests.
if(TIDEWHEEL_PCH)
  add_library(tidewheel_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
  tidewheel_flags(tidewheel_pch)
  target_link_libraries(tidewheel_pch PRIVATE fmt::fmt)
  target_precompile_headers(tidewheel_pch PRIVATE ${TIDEWHEEL_PCH_HEADERS})
endif()
if(TIDEWHEEL_BUILD_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
  if(TIDEWHEEL_PCH)
    add_library(tidewheel_test_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
    tidewheel_flags(tidewheel_test_pch)
    target_compile_options(tidewheel_test_pch PRIVATE ${TIDEWHEEL_TEST_FLAGS})
    target_link_libraries(tidewheel_test_pch PRIVATE fmt::fmt GTest::gtest)
    target_precompile_headers(tidewheel_test_pch PRIVATE ${TIDEWHEEL_PCH_HEADERS} <gtest/gtest.h>)
  endif()
endif()

# Applies the project's flags and the shared precompiled header to a target: a library, a program or
# a benchmark.
function(tidewheel_target target)
  tidewheel_flags(${target})
  if(TIDEWHEEL_PCH)
    target_precompile_headers(${target} REUSE_FROM tidewheel_pch)
  endif()
endfunction()

# tidewheel_test(TARGET [PREFIX text] [LABELS label...] [TIMEOUT seconds] SOURCES file... [LINK library...]):
# a test binary of GoogleTest tests, each registered with ctest. Tests labelled `fast` run first.
function(tidewheel_test target)
  cmake_parse_arguments(T "" "PREFIX;TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  if(NOT T_LABELS)
    set(T_LABELS fast)
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  set(cost 0)
  if("fast" IN_LIST T_LABELS)
    set(cost 1000)
  endif()
  add_executable(${target} ${T_SOURCES})
  set_property(GLOBAL APPEND PROPERTY TIDEWHEEL_TESTS ${target})
  tidewheel_flags(${target})
  target_compile_options(${target} PRIVATE ${TIDEWHEEL_TEST_FLAGS})
  if(TIDEWHEEL_PCH)
    target_precompile_headers(${target} REUSE_FROM tidewheel_test_pch)
  endif()
  target_link_libraries(${target} PRIVATE ${T_LINK} GTest::gtest GTest::gtest_main Threads::Threads)
  gtest_discover_tests(${target} TEST_PREFIX "${T_PREFIX}" DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT} COST ${cost})
endfunction()

function(tidewheel_module name)
  cmake_parse_arguments(M "" "DIR" "DEPS;LINK;TEST_LINK" ${ARGN})
  if(NOT M_DIR)
    set(M_DIR ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${M_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  string(REPLACE "/" "_" flat ${name})
  set(library tidewheel_${flat})
  list(TRANSFORM M_DEPS REPLACE "/" "_")
  list(TRANSFORM M_DEPS PREPEND tidewheel_)
  if(sources)
    set(scope PUBLIC)
    add_library(${library} STATIC ${sources})
    tidewheel_target(${library})
  else()
    set(scope INTERFACE)
    add_library(${library} INTERFACE)
  endif()
  add_library(Tidewheel::${flat} ALIAS ${library})
  target_include_directories(${library} ${scope}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${library} ${scope} cxx_std_20)
  target_compile_definitions(${library} ${scope} ${TIDEWHEEL_DEFINITIONS})
  target_link_libraries(${library} ${scope} ${M_DEPS} fmt::fmt Threads::Threads ${M_LINK})
  set_target_properties(${library} PROPERTIES EXPORT_NAME ${flat})
  set_property(GLOBAL APPEND PROPERTY TIDEWHEEL_MODULES ${library})
  if(TIDEWHEEL_BUILD_TESTS AND tests)
    tidewheel_test(${flat}_test PREFIX "${name}." SOURCES ${tests} LINK ${library} ${M_TEST_LINK})
  endif()
endfunction()

# tidewheel_protos(MODULE file...): compiles what protoc makes of the module's .proto files into it, without the
# project's warnings. Headers of the engine name the messages only; sources of modules that link it see them.
find_program(TIDEWHEEL_PROTOC protoc REQUIRED)
function(tidewheel_protos module)
  set(proto_root ${CMAKE_CURRENT_BINARY_DIR}/proto)
  file(MAKE_DIRECTORY ${proto_root})
  foreach(file ${ARGN})
    string(REGEX REPLACE "\\.proto$" ".pb" output ${proto_root}/tidewheel/${module}/${file})
    add_custom_command(OUTPUT ${output}.cc ${output}.h
      COMMAND ${TIDEWHEEL_PROTOC} --proto_path=${PROJECT_SOURCE_DIR}/src --cpp_out=${proto_root}
        tidewheel/${module}/${file}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${module}/${file})
    target_sources(tidewheel_${module} PRIVATE ${output}.cc)
    set_source_files_properties(${output}.cc PROPERTIES COMPILE_OPTIONS -w
      SKIP_PRECOMPILE_HEADERS ON)
  endforeach()
  target_include_directories(tidewheel_${module} SYSTEM PUBLIC $<BUILD_INTERFACE:${proto_root}>)
endfunction()
