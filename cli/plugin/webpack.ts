import { lotrcPlugin } from './plugin.js';
import type { LotrcPluginOptions } from './settings.js';

export type { LotrcPluginOptions };

/** A plugin of webpack, without its types. */
type WebpackPlugin = { apply: (compiler: object) => void };

/** The plugin for webpack: `import { model, adapter } from './bert.onnx?lotr&rank=4'`. */
const lotrc: (options?: LotrcPluginOptions) => WebpackPlugin = lotrcPlugin.webpack as (
  options?: LotrcPluginOptions,
) => WebpackPlugin;
export default lotrc;
