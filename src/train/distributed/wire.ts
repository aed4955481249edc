/** Up to this many numbers all ranks get all arrays, in one message each; above, each rank adds up a share. */
export const SHORT_SUM = 512;

/**
 * Bytes that each of `ranks` ranks sends to the others in a step with so many trained numbers: their gradients, the loss and its weight,
 * in float64. The few numbers that ranks tell each other about progress are not counted.
 */
export function bytesOfStep(parameters: number, ranks: number): number {
  const numbers = parameters + 2;
  const share = numbers > SHORT_SUM ? 2 * Math.ceil(numbers / ranks) : numbers;
  return 8 * share * (ranks - 1);
}
