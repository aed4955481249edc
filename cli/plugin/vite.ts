import { lotrcPlugin } from './plugin.js';
import type { LotrcPluginOptions } from './settings.js';

export type { LotrcPluginOptions };

/** The plugin for Vite: `import { model, adapter } from './bert.onnx?lotr&rank=4'`. */
const lotrc: (options?: LotrcPluginOptions) => { name: string } = lotrcPlugin.vite;
export default lotrc;
