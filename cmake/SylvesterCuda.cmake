# The CUDA backend: nvcc, the toolkit's cuBLASLt, and CUTLASS's headers where PyPI's nvidia-cutlass is
# installed (or SYLVESTER_CUTLASS_DIR names them).
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 89-real 90a-real)
endif()
if(NOT CMAKE_CUDA_COMPILER AND EXISTS /usr/local/cuda/bin/nvcc)
  set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc)
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
# CMake 3.25 does not know C++20 in newer toolkits.
foreach(kind STANDARD EXTENSION)
  if(NOT CMAKE_CUDA20_${kind}_COMPILE_OPTION)
    set(CMAKE_CUDA20_${kind}_COMPILE_OPTION -std=c++20)
  endif()
endforeach()
if(NOT cuda_std_20 IN_LIST CMAKE_CUDA_COMPILE_FEATURES)
  list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)

set(SYLVESTER_CUTLASS_DIR "" CACHE PATH "CUTLASS's include folder")
if(NOT SYLVESTER_CUTLASS_DIR)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(Python3_Interpreter_FOUND)
    execute_process(
      COMMAND ${Python3_EXECUTABLE} -c
              "import importlib.util as u, os; print(os.path.join(os.path.dirname(u.find_spec('cutlass_library').origin), 'source', 'include'))"
      OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(found AND EXISTS ${found}/cutlass/cutlass.h)
      set(SYLVESTER_CUTLASS_DIR ${found} CACHE PATH "CUTLASS's include folder" FORCE)
    endif()
  endif()
endif()

# Flags of our own CUDA targets. --fmad=false: an FMA only where it is written, as on the CPU.
function(sylvester_cuda_flags target)
  target_compile_options(
    ${target}
    PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false --expt-relaxed-constexpr --diag-suppress=554
            -Xcompiler=-Wall,-Wextra,-Wno-psabi,-ffp-contract=off,-Wno-unused-parameter>
            $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wno-psabi -ffp-contract=off -fno-math-errno>)
  if(SYLVESTER_WERROR)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Werror>
                                             $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
  endif()
endfunction()
