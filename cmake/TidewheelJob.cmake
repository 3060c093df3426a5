# How jobs are built, from inside the tree and from outside (find_package(Tidewheel)).
#
# add_tidewheel_job(NAME [SOURCES] file... [LINK library...])
#   A job from the sources that define `void tidewheel_job(tidewheel::Env&)`, in two forms:
#     NAME           a program that runs the job locally
#     libNAME.so     (target NAME_plugin) for `tidewheel run libNAME.so`
#   The library holds its own engine and exports one function, so its compiler and libraries need not be
#   those of the program that loads it.
#
# add_tidewheel_functions(NAME [SOURCES] file... [LINK library...])
#   libNAME.so from the sources that define `void tidewheel_functions(tidewheel::FunctionLibrary&)`: SQL
#   functions for CREATE FUNCTION .. USING LIBRARY (api/function_library.h).
#
# add_tidewheel_plugin(NAME [CONNECTORS name...] [FORMATS name...] [SOURCES] file... [LINK library...])
#   plugins/NAME/libNAME.so in the build's folder, from the sources that define
#   `void tidewheel_plugin(tidewheel::TableRegistry&)`: connectors and formats for SQL, which are loaded when one
#   of these names is asked for. It shares the engine's classes, so it fits the installation whose
#   find_package(Tidewheel) it was built with (plugins/table_plugin.h).
#
# add_tidewheel_test(NAME [SOURCES] file... [JOB job] [LINK library...])
#   A GoogleTest program, each test registered with ctest, with the simulated world and the harness of
#   Tidewheel::testing; JOB links the job's own code into it.
include_guard()
set(TIDEWHEEL_JOB_DIR ${CMAKE_CURRENT_LIST_DIR})

# Compiles like the engine: in its tree with its flags, elsewhere with those that matter.
function(_tidewheel_job_flags target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  if(COMMAND tidewheel_target)
    tidewheel_target(${target})
    return()
  endif()
  target_compile_options(${target} PRIVATE -fPIC -fvisibility=hidden
    $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
  if(TIDEWHEEL_ARCH)
    target_compile_options(${target} PRIVATE -march=${TIDEWHEEL_ARCH})
  endif()
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    target_compile_options(${target} PRIVATE -O3 -DNDEBUG)
  endif()
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
endfunction()

function(add_tidewheel_job name)
  cmake_parse_arguments(J "" "" "SOURCES;LINK" ${ARGN})
  list(APPEND J_SOURCES ${J_UNPARSED_ARGUMENTS})
  if(NOT J_SOURCES)
    message(FATAL_ERROR "add_tidewheel_job(${name}): no sources")
  endif()
  add_library(${name}_objects OBJECT ${J_SOURCES})
  _tidewheel_job_flags(${name}_objects)
  target_link_libraries(${name}_objects PUBLIC Tidewheel::tidewheel ${J_LINK})

  add_executable(${name})
  _tidewheel_job_flags(${name})
  target_link_libraries(${name} PRIVATE ${name}_objects Tidewheel::main)

  add_library(${name}_plugin MODULE ${TIDEWHEEL_JOB_DIR}/job_plugin.cc)
  _tidewheel_job_flags(${name}_plugin)
  target_compile_definitions(${name}_plugin PRIVATE
    TIDEWHEEL_PLUGIN_ABI=${TIDEWHEEL_PLUGIN_ABI} TIDEWHEEL_PLUGIN_JOB="${name}"
    TIDEWHEEL_PLUGIN_VERSION="${TIDEWHEEL_PLUGIN_VERSION}")
  target_link_libraries(${name}_plugin PRIVATE ${name}_objects)
  target_link_options(${name}_plugin PRIVATE
    -Wl,--no-undefined -Wl,--version-script=${TIDEWHEEL_JOB_DIR}/job_plugin.map -Wl,--build-id)
  set_target_properties(${name}_plugin PROPERTIES PREFIX lib OUTPUT_NAME ${name})
endfunction()

function(add_tidewheel_functions name)
  cmake_parse_arguments(F "" "" "SOURCES;LINK" ${ARGN})
  list(APPEND F_SOURCES ${F_UNPARSED_ARGUMENTS})
  if(NOT F_SOURCES)
    message(FATAL_ERROR "add_tidewheel_functions(${name}): no sources")
  endif()
  add_library(${name} MODULE ${F_SOURCES} ${TIDEWHEEL_JOB_DIR}/function_plugin.cc)
  _tidewheel_job_flags(${name})
  target_compile_definitions(${name} PRIVATE
    TIDEWHEEL_PLUGIN_ABI=${TIDEWHEEL_PLUGIN_ABI} TIDEWHEEL_PLUGIN_FUNCTIONS="${name}"
    TIDEWHEEL_PLUGIN_VERSION="${TIDEWHEEL_PLUGIN_VERSION}")
  target_link_libraries(${name} PRIVATE Tidewheel::functions ${F_LINK})
  target_link_options(${name} PRIVATE -Wl,--no-undefined -Wl,--gc-sections
    -Wl,--version-script=${TIDEWHEEL_JOB_DIR}/function_plugin.map -Wl,--build-id)
  set_target_properties(${name} PROPERTIES PREFIX lib OUTPUT_NAME ${name})
endfunction()

function(add_tidewheel_plugin name)
  cmake_parse_arguments(P "" "" "CONNECTORS;FORMATS;SOURCES;LINK" ${ARGN})
  list(APPEND P_SOURCES ${P_UNPARSED_ARGUMENTS})
  if(NOT P_SOURCES OR NOT P_CONNECTORS AND NOT P_FORMATS)
    message(FATAL_ERROR "add_tidewheel_plugin(${name}): it takes SOURCES, and the CONNECTORS or FORMATS that they add")
  endif()
  list(JOIN P_CONNECTORS "," connectors)
  list(JOIN P_FORMATS "," formats)
  add_library(${name} MODULE ${P_SOURCES} ${TIDEWHEEL_JOB_DIR}/table_plugin.cc)
  _tidewheel_job_flags(${name})
  if(COMMAND tidewheel_uses_fingerprint)
    tidewheel_uses_fingerprint(${name})
  else()
    target_include_directories(${name} PRIVATE ${TIDEWHEEL_FINGERPRINT_DIR})
  endif()
  target_compile_definitions(${name} PRIVATE
    TIDEWHEEL_PLUGIN_ABI=${TIDEWHEEL_PLUGIN_ABI} TIDEWHEEL_PLUGIN_NAME="${name}"
    TIDEWHEEL_PLUGIN_CONNECTORS="${connectors}" TIDEWHEEL_PLUGIN_FORMATS="${formats}"
    TIDEWHEEL_PLUGIN_VERSION="${TIDEWHEEL_PLUGIN_VERSION}")
  target_link_libraries(${name} PRIVATE Tidewheel::api ${P_LINK})
  target_link_options(${name} PRIVATE -Wl,--no-undefined -Wl,--gc-sections
    -Wl,--version-script=${TIDEWHEEL_JOB_DIR}/table_plugin.map -Wl,--build-id)
  # Libraries that it brings along lie beside it.
  set_target_properties(${name} PROPERTIES PREFIX lib OUTPUT_NAME ${name} BUILD_RPATH "$ORIGIN"
    INSTALL_RPATH "$ORIGIN" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins/${name})
endfunction()

function(add_tidewheel_test name)
  cmake_parse_arguments(T "" "JOB" "SOURCES;LINK" ${ARGN})
  list(APPEND T_SOURCES ${T_UNPARSED_ARGUMENTS})
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_executable(${name} ${T_SOURCES})
  _tidewheel_job_flags(${name})
  target_link_libraries(${name} PRIVATE Tidewheel::testing ${T_LINK} GTest::gtest GTest::gtest_main)
  if(T_JOB)
    target_link_libraries(${name} PRIVATE ${T_JOB}_objects)
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60)
endfunction()
