# `find_package(tenon)`: from an installed prefix, and from the build tree itself (tenon_DIR is the build folder).
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tenon")
install(DIRECTORY include/tenon DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
install(TARGETS ${tenon_installed} EXPORT tenon-targets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(EXPORT tenon-targets NAMESPACE tenon:: DESTINATION "${package_dir}")
configure_package_config_file(cmake/tenon-config.cmake.in "${PROJECT_BINARY_DIR}/tenon-config.cmake"
  INSTALL_DESTINATION "${package_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tenon-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/tenon-config.cmake" "${PROJECT_BINARY_DIR}/tenon-config-version.cmake"
  DESTINATION "${package_dir}")
export(EXPORT tenon-targets NAMESPACE tenon:: FILE "${PROJECT_BINARY_DIR}/tenon-targets.cmake")

# Relative, so that an installed prefix can be moved.
file(RELATIVE_PATH prefix_from_pc "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
configure_file(cmake/tenon.pc.in "${PROJECT_BINARY_DIR}/tenon.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/tenon.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES LICENSE NOTICE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
