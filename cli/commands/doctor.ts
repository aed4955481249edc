import { unsafeDevice, wrongKernel } from '../../src/backends/codes/doctor.js';
import { checksOf } from '../../src/backends/doctor/checks.js';
import type { DOCTOR } from '../../src/backends/doctor/option-set.js';
import { doctorPage } from '../../src/backends/doctor/page.js';
import { ALLOWED, recordOf } from '../../src/backends/doctor/record.js';
import { WEBGPU } from '../../src/backends/host/webgpu/back-end.js';
import { deviceNamed } from '../../src/backends/kernel/device/find.js';
import type { ValuesOf } from '../../src/options/define.js';
import { refuseUsage } from '../../src/options/usage.js';
import { askDevice } from '../doctor/ask.js';
import { writeFolder } from '../folder.js';
import type { Run } from '../program.js';
import { tell } from '../tell.js';
import { count } from '../text.js';

/** Checks the kernels of `emit wgsl` on this machine's device, or writes a page that does so where it is opened. */
export async function doctorCommand(options: ValuesOf<typeof DOCTOR>, run: Run): Promise<void> {
  const { output, page, clobber, json } = options;
  if (output !== undefined && page !== undefined)
    refuseUsage('the page offers the record itself: leave -o out with --page');
  if (options.family !== undefined && output !== undefined)
    refuseUsage('a device record needs the kernels of every family: leave out --family or -o');
  const profile = deviceNamed(options.device, WEBGPU.devices);
  const checked = checksOf(profile).filter(
    ({ check }) => options.family === undefined || check.family === options.family,
  );
  if (page !== undefined) {
    writeFolder(
      [{ path: page, text: doctorPage(profile, checked, options.family === undefined) }],
      '',
      [],
      clobber,
    );
    tell(run, `wrote ${page}: open it in the browser to be checked\n`);
    return;
  }
  const named = new Map(checked.map(({ check }) => [check.name, check.of]));
  const width = Math.max(...[...named.values()].map(({ length }) => length));
  const examined = await askDevice(
    checked.map(({ job }) => job()),
    ({ name, error, said }) => {
      if (json) return;
      const right = error !== null && error <= ALLOWED;
      const how = error === null ? said : error.toExponential(1);
      run.io.out(`${named.get(name)!.padEnd(width)}  ${right ? 'right' : 'WRONG'}  ${how}\n`);
    },
  );
  const record = recordOf(
    profile,
    checked.map(({ check }) => check),
    examined,
    ALLOWED,
  );
  if (json) run.io.out(`${JSON.stringify(record, null, 2)}\n`);
  const wrong = record.checks.filter(({ passed }) => !passed);
  const answered = new Set(examined.answers.map(({ name }) => name));
  const asked = new Set(
    checked.flatMap(({ check: { name, row } }) => (answered.has(name) && row !== null ? [row] : [])),
  );
  const left = asked.size - record.profile.tiles.length;
  tell(run, `${record.adapter}: ${count(record.checks.length, 'kernel')}, ${wrong.length} wrong\n`);
  if (examined.adapter.software)
    tell(run, 'it computes on the processor: its record has tiles in place of the kernels for few rows\n');
  for (const { of, error, said } of wrong)
    run.reporter.report([
      wrongKernel({ of, why: error === null ? said : `its error is ${error.toExponential(1)}` }),
    ]);
  if (output !== undefined) {
    writeFolder([{ path: output, text: `${JSON.stringify(record)}\n` }], '', [], clobber);
    const others = left > 0 ? `, without ${count(left, 'schedule')} of the profile` : '';
    tell(run, `wrote ${output}${others}: give it to lotrc emit wgsl with --device\n`);
  }
  if (record.unsafe.length > 0)
    run.reporter.report([unsafeDevice({ device: record.adapter, unsafe: record.unsafe })]);
}
