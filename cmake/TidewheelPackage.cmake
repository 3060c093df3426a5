# The package: what `cmake --install` copies, and find_package(Tidewheel), both from there and from the build
# tree. Included after all modules are known.
include(CMakePackageConfigHelpers)

# Everything that a job may use, in one target.
get_property(modules GLOBAL PROPERTY TIDEWHEEL_MODULES)
add_library(tidewheel_tidewheel INTERFACE)
add_library(Tidewheel::tidewheel ALIAS tidewheel_tidewheel)
set_target_properties(tidewheel_tidewheel PROPERTIES EXPORT_NAME tidewheel)
set(job_modules ${modules})
list(FILTER job_modules EXCLUDE REGEX "^tidewheel_(cli|high_availability|jobmanager|rest|sim|sim_cluster|taskmanager|testing|zookeeper)$")
target_link_libraries(tidewheel_tidewheel INTERFACE ${job_modules})

# What a library of SQL functions may use: values, and no engine.
add_library(tidewheel_functions INTERFACE)
add_library(Tidewheel::functions ALIAS tidewheel_functions)
set_target_properties(tidewheel_functions PROPERTIES EXPORT_NAME functions)
target_link_libraries(tidewheel_functions INTERFACE tidewheel_types)

add_library(tidewheel_main STATIC ${PROJECT_SOURCE_DIR}/cmake/job_main.cc)
add_library(Tidewheel::main ALIAS tidewheel_main)
tidewheel_target(tidewheel_main)
set_target_properties(tidewheel_main PROPERTIES EXPORT_NAME main)
target_link_libraries(tidewheel_main PUBLIC tidewheel_api)

set(exported ${modules} tidewheel_tidewheel tidewheel_functions tidewheel_main)
list(REMOVE_ITEM exported tidewheel_cli tidewheel_high_availability tidewheel_jobmanager tidewheel_rest tidewheel_sim_cluster tidewheel_taskmanager tidewheel_zookeeper)
install(TARGETS ${exported} EXPORT TidewheelTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/tidewheel DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h" PATTERN "*.inc" PATTERN "cli" EXCLUDE)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tidewheel)
install(EXPORT TidewheelTargets NAMESPACE Tidewheel:: DESTINATION ${package_dir})
install(FILES cmake/TidewheelJob.cmake cmake/plugin_note.h cmake/job_plugin.cc cmake/job_plugin.map
  cmake/function_plugin.cc cmake/function_plugin.map cmake/table_plugin.cc cmake/table_plugin.map
  ${TIDEWHEEL_FINGERPRINT_DIR}/tidewheel_fingerprint.h DESTINATION ${package_dir})
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The same config file twice: beside the installed TidewheelJob.cmake, and in the build tree.
set(TIDEWHEEL_JOB_PATH "\${CMAKE_CURRENT_LIST_DIR}/TidewheelJob.cmake")
set(fingerprint_dir ${TIDEWHEEL_FINGERPRINT_DIR})
set(TIDEWHEEL_FINGERPRINT_DIR "\${CMAKE_CURRENT_LIST_DIR}")
configure_package_config_file(cmake/TidewheelConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/TidewheelConfig.cmake INSTALL_DESTINATION ${package_dir}
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
set(TIDEWHEEL_JOB_PATH ${PROJECT_SOURCE_DIR}/cmake/TidewheelJob.cmake)
set(TIDEWHEEL_FINGERPRINT_DIR ${fingerprint_dir})
configure_file(cmake/TidewheelConfig.cmake.in ${PROJECT_BINARY_DIR}/TidewheelConfig.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/TidewheelConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/TidewheelConfig.cmake
  ${PROJECT_BINARY_DIR}/TidewheelConfigVersion.cmake DESTINATION ${package_dir})
export(EXPORT TidewheelTargets NAMESPACE Tidewheel:: FILE ${PROJECT_BINARY_DIR}/TidewheelTargets.cmake)
