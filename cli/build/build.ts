import { resolve } from 'node:path';
import { defaultCache, findConfig } from './find-config.js';
import { recalled } from './recall.js';
import type { BuildEvents, BuildRequest, Built } from './run.js';

/**
 * Builds what a config says. Steps that fail are reported; throws LOTR83xx for the config itself. Where nothing changed since the
 * last build, what knows of models and options is not even loaded.
 */
export async function build(request: BuildRequest, events: BuildEvents): Promise<Built> {
  const config = findConfig(request.config);
  const cache = request.cache === undefined ? defaultCache(config) : resolve(request.cache);
  const same = request.force ? null : recalled(cache, config);
  if (same) return same;
  const { buildConfig } = await import('./run.js');
  return buildConfig(config, cache, request, events);
}
