# sylvester_room(NAME USES rooms... SOURCES files... [SIMD files...] [LIBRARIES targets...])
#
# One room of the library. A room sees its own headers and those of the rooms it USES, and nothing
# else: each room's headers are exposed through a private include root (build/rooms/NAME), so an
# include of a room that is not in the link list does not compile.
set(SYLVESTER_ROOMS "" CACHE INTERNAL "")
set(SYLVESTER_ROOM_LIBRARIES "" CACHE INTERNAL "")

function(sylvester_flags target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wno-psabi -ffp-contract=off
                                           -fno-math-errno -fvisibility-inlines-hidden)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # GCC bug 105651: "text" + std::to_string(n) is reported as overlapping copies.
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(SYLVESTER_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(SYLVESTER_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${SYLVESTER_SANITIZE}
                                             -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS)
    target_link_options(${target} PRIVATE -fsanitize=${SYLVESTER_SANITIZE})
  endif()
endfunction()

function(sylvester_room name)
  cmake_parse_arguments(ROOM "" "" "USES;SOURCES;SIMD;LIBRARIES" ${ARGN})
  set(root ${PROJECT_BINARY_DIR}/rooms/${name}/include)
  file(MAKE_DIRECTORY ${root}/sylvester)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/include/sylvester/${name} ${root}/sylvester/${name}
       SYMBOLIC)
  list(TRANSFORM ROOM_SIMD PREPEND ${PROJECT_SOURCE_DIR}/src/simd/)
  add_library(sylvester_${name} STATIC ${ROOM_SOURCES} ${ROOM_SIMD})
  target_include_directories(sylvester_${name} PUBLIC $<BUILD_INTERFACE:${root}>
                             PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_features(sylvester_${name} PUBLIC cxx_std_20)
  foreach(used IN LISTS ROOM_USES)
    target_link_libraries(sylvester_${name} PUBLIC sylvester_${used})
  endforeach()
  # Third-party headers stay out of our public headers (Eigen from core/matrix.h apart).
  foreach(library IN LISTS ROOM_LIBRARIES)
    target_link_libraries(sylvester_${name} PRIVATE ${library})
  endforeach()
  sylvester_flags(sylvester_${name})
  set(SYLVESTER_ROOMS ${SYLVESTER_ROOMS} sylvester_${name} CACHE INTERNAL "")
  set(SYLVESTER_ROOM_LIBRARIES ${SYLVESTER_ROOM_LIBRARIES} ${ROOM_LIBRARIES} CACHE INTERNAL "")
endfunction()

# sylvester_test(NAME ROOM SOURCES...): one GoogleTest binary of a room, run by CTest.
# Golden data is found through SYLVESTER_TEST_DATA.
function(sylvester_test name room)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE sylvester_${room} GTest::gmock GTest::gtest_main
                                        ${TEST_LIBRARIES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(
    ${name} PRIVATE SYLVESTER_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/golden")
  sylvester_flags(${name})
  add_test(NAME ${name} COMMAND ${name})
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  # OpenMP threads that spin while they wait would slow every other test down.
  set(environment "OMP_WAIT_POLICY=passive")
  if(SYLVESTER_SANITIZE STREQUAL "thread")
    # ThreadSanitizer learns from libomp's tool what its barriers order.
    find_library(SYLVESTER_ARCHER archer PATHS /usr/lib/llvm-14/lib REQUIRED)
    list(APPEND environment "OMP_TOOL_LIBRARIES=${SYLVESTER_ARCHER}"
         "TSAN_OPTIONS=ignore_noninstrumented_modules=1")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS ${room} TIMEOUT ${TEST_TIMEOUT}
                                          ENVIRONMENT "${environment}")
endfunction()

# sylvester_large_test(ROOM): large_test.cc of the room, more than 2^31 elements. They run one after
# the other: each fills much of the memory.
function(sylvester_large_test room)
  sylvester_test(${room}_large_test ${room} SOURCES large_test.cc TIMEOUT 3600)
  set_tests_properties(${room}_large_test PROPERTIES LABELS "${room};nightly" RESOURCE_LOCK memory)
endfunction()

# sylvester_benchmark(NAME ROOM SOURCES...)
function(sylvester_benchmark name room)
  cmake_parse_arguments(BENCH "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${BENCH_SOURCES})
  target_link_libraries(${name} PRIVATE sylvester_${room} benchmark::benchmark ${BENCH_LIBRARIES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/bench)
  sylvester_flags(${name})
endfunction()
