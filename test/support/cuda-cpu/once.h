// What these headers define is compiled once for all programs (compilers.ts). A program has declarations of SHIM_CODE without the bodies,
// which compilers.ts leaves out, and sees only the names of SHIM_STATE, whose types are costly to emit; both are in the object compiled with
// SHIM_OBJECT.
// Every other variable is `inline`: there is one of each. A `static` one would be two, that of the program and that of the object.
#pragma once
#if defined(SHIM_OBJECT)
#define SHIM_CODE
#define SHIM_STATE
#elif defined(__CUDACC__)
#define SHIM_CODE inline  // nvcc reads some of these headers, and nothing of it runs
#else
#define SHIM_CODE extern
#define SHIM_STATE extern
#endif
