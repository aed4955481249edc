// The worker of test/core/browser.test.ts, bundled with lotrc/core: models by URL and as a File, and what goes wrong with them.
import * as core from 'lotrc-core';

const hex = async (bytes) =>
  [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');

const messageOf = async (act) => {
  try {
    await act();
    return 'nothing was wrong';
  } catch (error) {
    return error instanceof core.LotrcError ? error.message : `not a diagnostic: ${error?.stack ?? error}`;
  }
};

async function rewritten(input) {
  const model = await core.readModel(input);
  core.rewrite(model, { rank: 5 });
  return hex(core.encodeModel(model));
}

async function answer({ url }) {
  const opened = await core.openModel(`${url}model.onnx`);
  const report = core.inspect(opened.read());
  const after = (await (await fetch(`${url}requests`)).json()).length;
  const bytes = await (await fetch(`${url}model.onnx`)).arrayBuffer();
  const changing = await core.openModel(`${url}model.onnx`);
  return {
    name: opened.name,
    report: core.formatInspect(report),
    requestsToInspect: after,
    byRanges: await rewritten(`${url}model.onnx`),
    byFile: await rewritten(new File([bytes], 'model.onnx')),
    withoutRanges: await rewritten(`${url}whole.onnx`),
    missing: await messageOf(() => core.readModel(`${url}missing.onnx`)),
    changed: await messageOf(async () => {
      await fetch(`${url}change`);
      changing.read();
    }),
  };
}

self.onmessage = ({ data }) => {
  void answer(data).then(postMessage, (error) => postMessage({ failed: String(error?.stack ?? error) }));
};
