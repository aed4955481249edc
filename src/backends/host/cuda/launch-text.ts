import type { Kernel } from '../../kernel/ir/kir.js';
import { launchBytes } from '../../kernel/print/cuda/shared-memory.js';
import { runtimeText } from '../../runtime-text.js';
import { QUEUE_CU } from './generated/runtime.js';
import { allowText, blockThreads } from './rows.js';

/** How emitted C++ launches kernels: for the library over adapters.h, and for the operators of ONNX Runtime. */

/** Defined where kernels are compiled for sm_90a. */
export const SM90A = 'LOTRC_SM90A';

/** What launches and, for devices with warpgroups, makes tensor maps. `early`: some launches begin before the one before them has ended; `pairs`: some kernels are for pairs of blocks. */
export const queueText = (properties: {
  readonly hip: boolean;
  readonly warpgroups: boolean;
  readonly early: boolean;
  readonly pairs: boolean;
}): readonly string[] => runtimeText(QUEUE_CU, properties).trimEnd().split('\n');

/** The C++ expressions that a kernel is launched with. */
interface Given {
  /** a pointer to a Queue */
  readonly queue: string;
  /** blocks along x, y and z */
  readonly grid: readonly string[];
  readonly maps: readonly string[];
  readonly operands: readonly string[];
  readonly uniforms: readonly string[];
  /** it may begin before the launch before it has ended */
  readonly early?: boolean;
}

/** `launch(queue, NAME, grid, threads, maps..., buffers..., uniforms...)`; operands are those of {@link plainBuffers}. */
export function kernelCall(kernel: Kernel, given: Given): string {
  const { queue, grid, maps, operands, uniforms, early = false } = given;
  const bytes = launchBytes(kernel);
  const start = early
    ? `launch_early(${bytes}, ${queue}`
    : bytes > 0
      ? `launch_with(${bytes}, ${queue}`
      : `launch(${queue}`;
  const blocks = kernel.ring
    ? `${kernel.ring.pair ? 'paired_blocks' : 'blocks'}(${queue}, ${grid[0]}, ${grid[1]})`
    : grid.join(', ');
  const rest = [kernel.name, `dim3(${blocks})`, blockThreads(kernel), ...maps, ...operands, ...uniforms];
  return `${start}, ${rest.join(', ')})`;
}

/** What a kernel for warpgroups asks of a device before it is launched: its ring and, for pairs of blocks, that they run. */
export const ringText = (kernel: Kernel, queue: string): readonly string[] => [
  allowText(kernel),
  ...(kernel.ring?.pair
    ? [`  LOTRC_TRY(count_pairs(${queue}, ${kernel.name}, ${blockThreads(kernel)}, ${launchBytes(kernel)}));`]
    : []),
];

/** Whether some kernels are for pairs of blocks. */
export const inPairs = (kernels: readonly Kernel[]): boolean => kernels.some(({ ring }) => ring?.pair);

/** The buffers that a kernel is given as pointers; it reaches the others through maps. */
export const plainBuffers = ({ buffers }: Kernel): Kernel['buffers'] =>
  buffers.filter(({ mapped }) => !mapped);

/** The statements of a launch that is another one on devices with warpgroups: `maps` and `grouped` there, `call` elsewhere. */
export const eitherText = (
  queue: string,
  maps: readonly string[],
  grouped: string,
  call: string,
): readonly string[] => [
  `#ifdef ${SM90A}`,
  `if (${queue}->warpgroups) {`,
  ...[...maps, `LOTRC_TRY(${grouped});`].map((line) => `  ${line}`),
  '} else',
  '#endif',
  `LOTRC_TRY(${call});`,
];

/** Statements further to the right; what the preprocessor reads stays. */
export const indented = (lines: readonly string[], indent: string): readonly string[] =>
  lines.map((line) => (line.startsWith('#') ? line : indent + line));
