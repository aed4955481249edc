/** Diagnostics 14xx (textual IR). */
export {};
