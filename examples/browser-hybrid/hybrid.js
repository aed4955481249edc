/**
 * The outputs of a model with the adapter that it holds, with another one, and with none. `openModel` is that of the folder which
 * `lotrc emit wgsl MODEL --for serve --segments` wrote; `tokens`: most rows of a batch.
 */
export async function hybrid({ openModel, ort, folder, tokens, adapter, feeds }) {
  const read = async (path) => {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(`${path} cannot be fetched: ${answer.status}`);
    return answer.arrayBuffer();
  };
  const model = await openModel({ ort, tokens, read: (path) => read(folder + path) });
  const outputs = { held: await model.run(feeds) };
  model.use(await read(adapter));
  outputs.swapped = await model.run(feeds);
  model.use(null);
  outputs.base = await model.run(feeds);
  await model.close();
  return outputs;
}
