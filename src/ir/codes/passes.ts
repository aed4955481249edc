/** Diagnostics 4xxx (passes and gradients). */
export {};
