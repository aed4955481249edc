/** Stops this thread for so many milliseconds: for synchronous code that asks again a moment later. */
export function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
