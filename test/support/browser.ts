import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { answerOf } from '../../bench/gpu/browser.js';
import { bundledScript } from '../../bench/gpu/bundle-page.js';
import type { HostAnswer, HostJob } from './host.js';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Path of an installed Chromium, or null; in CI there must be one. */
export function chromium(): string | null {
  const found = PLACES.find((path) => existsSync(path));
  if (found) return found;
  if (process.env.CI === 'true') throw new Error(`CI needs Chromium, at one of ${PLACES.join(', ')}`);
  console.warn('the browser test is skipped: Chromium is not installed');
  return null;
}

/** A module of `webgpuHost`, and the page that runs it. */
const bundle = (folder: string): Promise<string> =>
  bundledScript(folder, join(import.meta.dirname, 'browser-page.mjs'), {
    'emitted-module': join(folder, 'index.ts'),
  });

/**
 * Bundles the index.ts of a folder, opens a page with it in headless Chromium, whose WebGPU is SwiftShader, and gives the
 * answer to a job. Throws what the page threw, or what Chromium said when it ended early.
 */
export async function runInBrowser(
  browser: string,
  folder: string,
  job: HostJob,
): Promise<HostAnswer & { readonly agent: string }> {
  const answer = await answerOf({ script: await bundle(folder), job }, { browser });
  return answer as HostAnswer & { readonly agent: string };
}
