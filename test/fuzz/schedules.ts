import { readFileSync } from 'node:fs';
import { H100 } from '../../src/backends/kernel/device/h100.js';
import { WEBGPU_LAPTOP } from '../../src/backends/kernel/device/webgpu-laptop.js';
import { parseSchedules, schedulesJson } from '../../src/backends/kernel/plan/schedule-file.js';
import type { Format } from './format.js';
import { mutateJson } from './mutate-json.js';

const TARGETS = [H100, WEBGPU_LAPTOP].map(({ target }) => target);

/** Tile sizes for kernels, which `emit wgsl` and `emit cuda` read. */
export const schedules: Format = {
  name: 'schedules',
  share: 2,
  file: 'in/input.json',
  make(random, { schedules: seeds, adapted }) {
    return new Map([
      ['in/adapted.onnx', random.pick(adapted)],
      ['in/input.json', mutateJson(random, random.pick(seeds), seeds)],
    ]);
  },
  async exercise(steps, choose, files) {
    const rows = steps.try(() => parseSchedules(readFileSync('input.json', 'utf8'), 'input.json', TARGETS));
    if (!rows) return;
    const text = schedulesJson(rows);
    steps.same('written schedules', text, schedulesJson(parseSchedules(text, 'again.json', TARGETS)));
    if (!files.has('in/adapted.onnx') || !choose.chance(0.3)) return;
    const target = choose.pick(['wgsl', 'cuda']);
    await steps.command(['emit', target, 'adapted.onnx', '--explain', '--schedules', 'input.json', '--json']);
  },
};
