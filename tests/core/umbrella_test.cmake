# cmake -DINCLUDE=... -P umbrella_test.cmake: sylvester.h names every public header, in order, and
# nothing else. The CUDA headers stand apart: their library is optional.
file(GLOB_RECURSE headers RELATIVE ${INCLUDE} ${INCLUDE}/sylvester/*.h)
list(FILTER headers EXCLUDE REGEX "sylvester/cuda/|sylvester/sylvester.h")
list(SORT headers)
file(STRINGS ${INCLUDE}/sylvester/sylvester.h lines REGEX "^#include")
list(TRANSFORM lines REPLACE "#include \"(.+)\"" "\\1")
list(SORT lines)
if(NOT lines STREQUAL headers)
  message(FATAL_ERROR "sylvester.h lists\n  ${lines}\nthe headers are\n  ${headers}")
endif()
