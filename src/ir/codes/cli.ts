/** Diagnostics 8xxx (command line and host). */
export {};
