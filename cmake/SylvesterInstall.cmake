# find_package(sylvester) -> sylvester::sylvester
include(CMakePackageConfigHelpers)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sylvester)
set(exported sylvester)
if(SYLVESTER_HAVE_DNNL)
  list(APPEND exported sylvester_dnnl)
endif()
install(TARGETS ${exported} EXPORT sylvester_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/sylvester DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")
install(EXPORT sylvester_targets NAMESPACE sylvester:: DESTINATION ${config_dir})
configure_package_config_file(cmake/sylvester-config.cmake.in sylvester-config.cmake
                              INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(sylvester-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sylvester-config.cmake
              ${PROJECT_BINARY_DIR}/sylvester-config-version.cmake
        DESTINATION ${config_dir})
