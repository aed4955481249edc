/** True for errors of the operating system (ENOENT, EACCES, ENOSPC, ...). */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}
