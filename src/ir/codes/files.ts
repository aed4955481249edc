/** Diagnostics 7xxx (adapter files). */
export {};
