// #if EMIT_SOURCE

import { type BufferName, FACTORS, type Place, SLOTS, STATE_OF, type StepBuffer } from './plan.js';

// #endif
// #if EMIT_TRAINING
/** A tensor of the state of the optimizer, laid out as the buffer of its factor. */
interface Moment {
  readonly name: string;
  readonly buffer: GPUBuffer;
  readonly place: Place;
}

/** The moments of trained factors, in the order of a state; `kept`: what the steps of these factors bind. */
function momentsOf(kept: ReadonlyMap<BufferName, Readonly<Record<StepBuffer, GPUBuffer>>>): Moment[] {
  return Object.entries<readonly Place[]>(FACTORS).flatMap(([factor, places]) =>
    places.flatMap((place) => {
      const own = kept.get(place.buffer);
      return own
        ? SLOTS.map(([slot, name]) => ({ name: `${factor}/${name}`, buffer: own[slot], place }))
        : [];
    }),
  );
}

/** The header of a state, a safetensors file, with an entry in each line, so that what differs between two of them is a line. */
function stateLines(moments: readonly Moment[], steps: number): string[] {
  let end = 0;
  return [
    '{"__metadata__":{"format":"lotrc.state 1"',
    ...STATE_OF.map(([name, value]) => `,"lotrc.${name}":${JSON.stringify(value)}`),
    `,"lotrc.steps":"${steps}"}`,
    ...moments.map(({ name, place: { rows, cols } }) => {
      const begin = end;
      end += 4 * rows * cols;
      return `,${JSON.stringify(name)}:{"dtype":"F32","shape":[${rows},${cols}],"data_offsets":[${begin},${end}]}`;
    }),
    '}',
  ];
}

/** What comes before the numbers of a state: as long for any number of steps. */
function stateHeader(moments: readonly Moment[], steps: number): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(stateLines(moments, steps).join('\n'));
  const mostDigits = 20;
  const length = 8 * Math.ceil((text.length + mostDigits - String(steps).length) / 8);
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, 8);
  return header;
}

/** A state: its header, and the numbers of the moments side by side. */
function stateBytes(
  header: Uint8Array<ArrayBuffer>,
  numbers: readonly Float32Array<ArrayBuffer>[],
): Uint8Array<ArrayBuffer> {
  const size = numbers.reduce((all, { byteLength }) => all + byteLength, header.length);
  const state = new Uint8Array(size);
  state.set(header);
  let at = header.length;
  for (const { buffer, byteLength } of numbers) {
    state.set(new Uint8Array(buffer), at);
    at += byteLength;
  }
  return state;
}

/** The steps and the numbers of a state. Throws for one that is not of these moments. */
function stateIn(moments: readonly Moment[], given: ArrayBuffer | Uint8Array) {
  const state = given instanceof Uint8Array ? given : new Uint8Array(given);
  const { buffer, byteOffset, byteLength } = state;
  const length = byteLength < 8 ? 0 : Number(new DataView(buffer, byteOffset).getBigUint64(0, true));
  if (length === 0 || length > byteLength - 8)
    throw new Error('this is not a state: its header is not whole');
  const text = new TextDecoder().decode(state.subarray(8, 8 + length));
  const steps = Number(/\n,"lotrc\.steps":"(\d{1,15})"/.exec(text)?.[1] ?? 0);
  const header = stateHeader(moments, steps);
  if (header.some((byte, at) => state[at] !== byte))
    throw new Error(otherState(text, stateLines(moments, steps)));
  let end = header.length;
  const found = moments.map((moment) => {
    const { rows, cols } = moment.place;
    const begin = end;
    end += 4 * rows * cols;
    return { ...moment, numbers: new Float32Array(state.slice(begin, end).buffer) };
  });
  if (byteLength === end) return { steps, found };
  throw new Error(`the state has ${byteLength} bytes, not ${end}: it is not whole`);
}

/** The first line in which the header of a state differs from the one that it should have. */
function otherState(text: string, own: readonly string[]): string {
  const theirs = text.split('\n').map((line) => line.trimEnd());
  const shown = (line = '}') => (line === '}' ? 'nothing more' : line.replace(/^,/, '').slice(0, 300));
  const at = own.findIndex((line, index) => theirs[index] !== line);
  if (at < 0) return 'this is not a state: its header is not whole';
  return `the state is of another optimizer or adapter: it has ${shown(theirs[at])}, and this module ${shown(own[at])}`;
}

// #endif
// #if EMIT_SOURCE
export { momentsOf, stateBytes, stateHeader, stateIn };
// #endif
