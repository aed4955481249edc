import { lotrcPlugin } from './plugin.js';
import type { LotrcPluginOptions } from './settings.js';

export type { LotrcPluginOptions };

/** A plugin of esbuild, without its types. */
interface EsbuildPlugin {
  name: string;
  setup: (build: object) => void | Promise<void>;
}

/** The plugin for esbuild: `import { model, adapter } from './bert.onnx?lotr&rank=4'`. */
const lotrc: (options?: LotrcPluginOptions) => EsbuildPlugin = lotrcPlugin.esbuild as (
  options?: LotrcPluginOptions,
) => EsbuildPlugin;
export default lotrc;
