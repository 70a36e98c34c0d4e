# find_package(flambeau) in a C++ project: the target flambeau::flambeau. The package is found with
#   prefix=$(python -c 'import flambeau; print(flambeau.utils.cmake_prefix_path)')
#   cmake -DCMAKE_PREFIX_PATH="$prefix"
get_filename_component(flambeau_package "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET flambeau::flambeau)
  add_library(flambeau::flambeau SHARED IMPORTED)
  set_target_properties(flambeau::flambeau PROPERTIES
    IMPORTED_LOCATION "${flambeau_package}/libflambeau.so"
    INTERFACE_INCLUDE_DIRECTORIES "${flambeau_package}/include"
    INTERFACE_COMPILE_FEATURES cxx_std_20)
endif()
