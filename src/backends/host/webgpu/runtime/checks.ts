// #if EMIT_SOURCE

import { isPacked, sizeOf } from './needs.js';
import {
  ADAPTERS,
  BUFFERS,
  type BufferLayout,
  type BufferName,
  PACKED,
  type Places,
  REGIONS,
  type Region,
  type TensorData,
} from './plan.js';

// #endif

/** A region by its index, which may be wrong in callers without types. */
function regionOf(index: number): Region {
  const region: Region | undefined = REGIONS[index];
  if (!region) throw new RangeError(`there is no region ${index}, only ${REGIONS.length}`);
  return region;
}

/** Throws RangeError for a tensor that is not there or has another size. */
function checkTensors(tensors: TensorData<string>, places: Places): void {
  for (const [name, data] of Object.entries(tensors)) {
    const list = places[name];
    if (!list) throw new RangeError(`there is no tensor ${name} here`);
    for (const { rows, cols } of list) {
      if (data && data.length !== rows * cols) {
        throw new RangeError(`${name} is ${rows} x ${cols}, not ${data.length} numbers`);
      }
    }
  }
}

/** Throws RangeError for numbers that do not fill a buffer. */
function checkLength(name: BufferName, data: Float32Array, tokens: number): void {
  const size = sizeOf(name, tokens);
  if (data.length === size) return;
  const { shape }: BufferLayout = BUFFERS[name];
  const expected = `${shape.join(' x ')} with M = ${tokens}: ${size} numbers`;
  throw new RangeError(`${name} is ${expected}, not ${data.length}`);
}

// #if EMIT_PACKED
/** The buffer of a packed tensor. Throws RangeError for another tensor. */
function packedBuffer(tensor: string): BufferName {
  const buffers: Readonly<Record<string, BufferName>> = PACKED;
  const buffer = buffers[tensor];
  if (!buffer) throw new RangeError(`there is no packed tensor ${tensor} here`);
  return buffer;
}

/** Throws RangeError for a buffer of bytes. */
function checkNotPacked(name: BufferName): void {
  if (isPacked(name)) throw new RangeError(`${name} is packed: setPacked fills it`);
}

// #endif
// #if EMIT_SLOTS
/** Throws RangeError for tables of rows and of ranks, which hold no float32. */
function checkNumbers(name: BufferName): void {
  const { type }: BufferLayout = BUFFERS[name];
  const by = name === 'rowAdapter' ? 'setRows' : 'setAdapter';
  if (type === 'u32') throw new RangeError(`${name} is filled by ${by}`);
}

/** Throws RangeError for an adapter that is not there. */
function checkAdapter(adapter: number): void {
  if (!Number.isInteger(adapter) || adapter < 0 || adapter >= ADAPTERS) {
    throw new RangeError(`there is no adapter ${adapter}, only ${ADAPTERS}`);
  }
}

// #endif
// #if EMIT_TRAINING
// #if EMIT_FRACTIONS
/** Whether a number is at least 0 and below 1. */
function isFraction(value: number): boolean {
  return value >= 0 && value < 1;
}

// #endif
// #endif
// #if EMIT_SOURCE
export {
  checkAdapter,
  checkLength,
  checkNotPacked,
  checkNumbers,
  checkTensors,
  isFraction,
  packedBuffer,
  regionOf,
};
// #endif
