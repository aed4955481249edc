import { defineCode } from '../diagnostics.js';

/** Diagnostics 6xxx (kernels). */

export const unknownDevice = defineCode<{
  name: string;
  api: string;
  known: readonly string[];
  near: readonly string[];
}>({
  code: 'LOTR6003',
  severity: 'error',
  title: 'there is no profile of that device or architecture',
  explain:
    'Plans are made for a device of which the rates of arithmetic and memory and the cost of a launch are known. ' +
    'Choose the listed profile that is nearest to the device.',
  make: ({ name, api, known, near }) => ({
    message: `no ${api} profile is called "${name}"`,
    hint: `${near.length > 0 ? `did you mean ${near[0]}? ` : ''}the profiles are ${known.join(', ')}`,
  }),
});

export const noSchedule = defineCode<{
  device: string;
  target: string;
  family: string;
  dtype: string;
  rows: number;
  cols: number;
  inner: number;
  passedOver: readonly string[];
}>({
  code: 'LOTR6004',
  severity: 'error',
  title: 'no schedule fits a kernel and the device',
  explain:
    'A kernel needs tile sizes that the device can run: workgroup memory, invocations and the element type must fit. ' +
    'The table of schedules has no row left for this one. Another element type or another device profile may have one.',
  make: ({ device, target, family, dtype, rows, cols, inner, passedOver }) => ({
    message: `no ${dtype} schedule of ${family} on ${device} (${target}) for ${rows} x ${cols}, inner ${inner}`,
    hint:
      passedOver.length > 0
        ? `passed over: ${passedOver.join('; ')}`
        : `choose another --dtype: ${target} has no row for ${dtype}`,
  }),
});
