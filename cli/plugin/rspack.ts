import { lotrcPlugin } from './plugin.js';
import type { LotrcPluginOptions } from './settings.js';

export type { LotrcPluginOptions };

/** A plugin of Rspack, without its types. */
type RspackPlugin = { apply: (compiler: object) => void };

/** The plugin for Rspack: `import { model, adapter } from './bert.onnx?lotr&rank=4'`. */
const lotrc: (options?: LotrcPluginOptions) => RspackPlugin = lotrcPlugin.rspack as (
  options?: LotrcPluginOptions,
) => RspackPlugin;
export default lotrc;
