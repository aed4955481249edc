/** An error of the operating system. Written out, so that the public types need no types of Node. */
interface SystemError extends Error {
  /** ENOENT, EACCES, ENOSPC, ... */
  readonly code?: string;
  readonly errno?: number;
  readonly syscall?: string;
  readonly path?: string;
}

/** True for errors of the operating system (ENOENT, EACCES, ENOSPC, ...). */
export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}
