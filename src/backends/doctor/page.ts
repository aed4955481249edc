import type { DeviceProfile } from '../kernel/model/types.js';
import type { CheckedKernel } from './checks.js';
import { openDevice } from './examine.js';
import { ALLOWED, recordOf } from './record.js';

/**
 * A page without dependencies that checks the device of the browser that opens it. `whole`: the kernels are those of every family, and the
 * page offers the record as a file.
 */
export function doctorPage(
  profile: DeviceProfile,
  checked: readonly CheckedKernel[],
  whole: boolean,
): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>lotrc doctor</title>
<style>body { font-family: system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em } pre { overflow-x: auto }</style>
<h1>lotrc doctor</h1>
<p>Runs ${checked.length} kernels on the device of this browser and compares them with float64. Nothing is sent anywhere.</p>
<button>Check</button> <a hidden download="device.json">device.json</a>
<pre role="status"></pre>
<script type="module">
${doctorScript(profile, checked)}
const [button, link, output] = ['button', 'a', 'pre'].map((name) => document.querySelector(name));
const say = (text) => { output.textContent += text + '\\n'; };
button.onclick = async () => {
  button.disabled = true;
  try {
    if (!navigator.gpu) throw new Error('this browser has no WebGPU');
    const record = await doctor(navigator.gpu, say);
    const wrong = record.checks.filter(({ passed }) => !passed);
    say(record.checks.length + ' kernels, ' + wrong.length + ' wrong');
    if (!${whole}) return;
    link.href = URL.createObjectURL(new Blob([JSON.stringify(record)], { type: 'application/json' }));
    link.hidden = false;
    say('emit wgsl --device device.json takes the record');
  } catch (error) {
    say(String(error.message ?? error));
    button.disabled = false;
  }
};
</script>
</html>
`;
}

/** A script with a function `doctor(gpu, say)`, which gives the record of a device. */
export function doctorScript(profile: DeviceProfile, checked: readonly CheckedKernel[]): string {
  const checks = checked.map(({ check }) => check);
  const jobs = checked.map(({ job }) => job());
  // a script ends at the first of these, wherever it is
  const data = JSON.stringify({ profile, checks, jobs }).replaceAll('</', '<\\/');
  return `${openDevice}
${recordOf}
const { profile, checks, jobs } = ${data};
async function doctor(gpu, say) {
  const named = new Map(checks.map(({ name, of }) => [name, of]));
  const device = await openDevice(gpu);
  say(device.adapter.name);
  const answers = [];
  for (const job of jobs) {
    const answer = await device.answer(job);
    if (!answer) continue;
    answers.push(answer);
    const { name, error, said } = answer;
    say(named.get(name) + ': ' + (error === null ? said : error <= ${ALLOWED} ? 'right' : 'wrong, ' + error));
  }
  return recordOf(profile, checks, { adapter: device.adapter, answers }, ${ALLOWED});
}`;
}
