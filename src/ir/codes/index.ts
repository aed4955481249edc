/** Declares every diagnostic code. One file per range; the import order does not matter. */
export * as adapters from './adapters.js';
export * as autodiff from './autodiff.js';
export * as cli from './cli.js';
export * as files from './files.js';
export * as host from './host.js';
export * as init from './init.js';
export * as kernelIr from './kernel-ir.js';
export * as kernels from './kernels.js';
export * as load from './load.js';
export * as logs from './logs.js';
export * as passes from './passes.js';
export * as shapes from './shapes.js';
export * as sites from './sites.js';
export * as text from './text.js';
export * as train from './train.js';
export * as training from './training.js';
export * as verify from './verify.js';
