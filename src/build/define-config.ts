import type { BuildConfig } from './config.js';

/** What a config imports as `lotrc/config`. It imports nothing itself: it is loaded each time that a config is. */

export type * from './config.js';

/** Gives the config as it is: for the types in editors. */
export function defineConfig(config: BuildConfig): BuildConfig {
  return config;
}
