# tidewheel_fingerprint.h: a hash of the headers whose classes a plug-in shares with the program that loads it
# (plugins/engine_build.h). A plug-in of other headers is refused.
#
# As a script (cmake -DROOT=.. -DOUTPUT=.. -P) it makes that header.
set(TIDEWHEEL_SHARED_MODULES base types rpc state checkpoint rocksdb dataflow operators cluster api)

if(CMAKE_SCRIPT_MODE_FILE)
  set(globs "")
  foreach(module ${TIDEWHEEL_SHARED_MODULES})
    list(APPEND globs ${ROOT}/${module}/*.h ${ROOT}/${module}/*.inc)
  endforeach()
  file(GLOB headers RELATIVE ${ROOT} ${globs})
  list(SORT headers)
  set(hashes "")
  foreach(header ${headers})
    file(SHA256 ${ROOT}/${header} hash)
    string(APPEND hashes "${header} ${hash}\n")
  endforeach()
  string(SHA256 hash "${hashes}")
  string(SUBSTRING ${hash} 0 16 hash)
  file(WRITE ${OUTPUT} "// Made by cmake/EngineFingerprint.cmake.\n#pragma once\n#define TIDEWHEEL_FINGERPRINT \"${hash}\"\n")
  return()
endif()

set(TIDEWHEEL_FINGERPRINT_DIR ${PROJECT_BINARY_DIR}/fingerprint)
set(globs "")
foreach(module ${TIDEWHEEL_SHARED_MODULES})
  list(APPEND globs ${PROJECT_SOURCE_DIR}/src/tidewheel/${module}/*.h ${PROJECT_SOURCE_DIR}/src/tidewheel/${module}/*.inc)
endforeach()
file(GLOB headers CONFIGURE_DEPENDS ${globs})
add_custom_command(OUTPUT ${TIDEWHEEL_FINGERPRINT_DIR}/tidewheel_fingerprint.h
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR}/src/tidewheel
    -DOUTPUT=${TIDEWHEEL_FINGERPRINT_DIR}/tidewheel_fingerprint.h -P ${CMAKE_CURRENT_LIST_FILE}
  DEPENDS ${headers} ${CMAKE_CURRENT_LIST_FILE}
  COMMENT "Hashing the headers that plug-ins share")
add_custom_target(tidewheel_fingerprint DEPENDS ${TIDEWHEEL_FINGERPRINT_DIR}/tidewheel_fingerprint.h)

function(tidewheel_uses_fingerprint target)
  add_dependencies(${target} tidewheel_fingerprint)
  target_include_directories(${target} PRIVATE ${TIDEWHEEL_FINGERPRINT_DIR})
endfunction()
