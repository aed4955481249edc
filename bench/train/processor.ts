import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Instructions that products depend on. */
const FEATURES =
  /^(avx2|fma|avx512f|avx512_bf16|avx_vnni|avx512_vnni|amx_bf16|amx_int8|asimddp|i8mm|bf16|sve)$/;

/** The processor's name and what it has for products, where the system says it. */
export function processor(): string {
  let flags: readonly string[] = [];
  try {
    const [line = ''] = readFileSync('/proc/cpuinfo', 'utf8').match(/^(flags|Features)\s*:.*$/m) ?? [];
    flags = line.split(/\s+/).filter((flag) => FEATURES.test(flag));
  } catch {
    // not Linux
  }
  const [first] = cpus();
  return `${first?.model ?? process.arch}, ${cpus().length} cores: ${[...new Set(flags)].join(' ') || 'features not known'}`;
}
