import type { Kernel } from '../../kernel/ir/kir.js';

/** CMakeLists.txt of a library for AMD devices. */
export const hipCmake = (kernels: readonly Kernel[], architectures: readonly string[]): string =>
  [
    '# A library of the kernels and adapters.h, static or, with -DBUILD_SHARED_LIBS=ON, shared. CMake 3.24, ROCm 5.2 or newer; 6.0 for gfx942.',
    'cmake_minimum_required(VERSION 3.24)',
    '# before project(), which would set that of the device at hand',
    'if(NOT DEFINED CMAKE_HIP_ARCHITECTURES)',
    `  set(CMAKE_HIP_ARCHITECTURES ${architectures.join(' ')})`,
    'endif()',
    '# without a build type, clang would not optimise',
    'if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)',
    '  set(CMAKE_BUILD_TYPE Release)',
    'endif()',
    'project(lotrc_adapters LANGUAGES CXX HIP)',
    'add_library(lotrc_adapters',
    '  adapters.hip',
    ...kernels.map(({ name }) => `  kernels/${name}.hip`),
    ')',
    'target_include_directories(lotrc_adapters PUBLIC .)',
    'target_compile_features(lotrc_adapters PUBLIC cxx_std_17 hip_std_17)',
    'set_target_properties(lotrc_adapters PROPERTIES POSITION_INDEPENDENT_CODE ON)',
    '',
  ].join('\n');
