import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Rolldown } from 'vite';
import { answerOf } from '../../bench/gpu/browser.js';
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

/** A module of `webgpuHost`, and the page that runs it, in one script, as a bundler makes it. */
async function bundle(folder: string): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root: folder,
    resolve: { alias: { 'emitted-module': join(folder, 'index.ts') } },
    build: {
      write: false,
      target: 'es2022',
      rolldownOptions: {
        input: join(import.meta.dirname, 'browser-page.mjs'),
        output: { format: 'es', codeSplitting: false },
      },
    },
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as Rolldown.RolldownOutput;
  return output[0].code;
}

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
