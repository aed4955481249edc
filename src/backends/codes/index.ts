/** Declares the codes of the back ends, whose texts name providers and languages. */
export * as doctor from './doctor.js';
export * as host from './host.js';
export * as kernelIr from './kernel-ir.js';
export * as kernels from './kernels.js';
export * as runtime from './runtime.js';
export * as training from './training.js';
export * as trainingLoss from './training-loss.js';
