/** Diagnostics 3xxx (sites and adapters). */
export {};
