import { defineOptions } from '../../options/define.js';
import { CLOBBER, REPORT } from '../../options/sets/shared.js';
import { file, word } from '../../options/types.js';
import { WEBGPU } from '../host/webgpu/back-end.js';
import { SCHEDULED } from '../kernel/device/families.js';

const NAMES = WEBGPU.devices.map(({ name }) => name);
const FAMILIES = [...SCHEDULED, 'packed', 'rows', 'einsum', 'step'] as const;

/** doctor: what checks kernels on a device. */
export const DOCTOR = defineOptions({
  output: {
    type: file,
    short: 'o',
    doc: 'file for the device record (JSON), which `emit wgsl --device FILE` reads',
  },
  page: { type: file, doc: 'write a page that checks the browser which opens it, instead' },
  device: {
    type: word('name', NAMES),
    default: NAMES[0]!,
    doc: `profile whose schedules are checked: ${NAMES.join(', ')}`,
  },
  family: {
    type: word('family', FAMILIES),
    doc: `only kernels of one family, without a record: ${FAMILIES.join(', ')}`,
  },
  ...CLOBBER,
  ...REPORT,
});
