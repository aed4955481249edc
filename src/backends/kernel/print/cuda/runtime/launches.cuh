// Launches of one stream that overlap: programmatic dependent launch, from sm_90 on; elsewhere they never do. Written by lotrc.
#ifndef LOTRC_LAUNCHES
#define LOTRC_LAUNCHES

// A build for another machine defines LOTRC_OWN_LAUNCHES and brings these itself.
#ifndef LOTRC_OWN_LAUNCHES
// the next launch may begin when all blocks have been here; it waits for the end of this one itself
static __device__ __forceinline__ void release_next() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

// until the launches before this one have ended: what they wrote is there then
static __device__ __forceinline__ void await_launches() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
#endif

#endif // LOTRC_LAUNCHES
