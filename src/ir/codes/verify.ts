/** Diagnostics 2xxx (verifier). */
export {};
