import { AdapterSession } from 'lotrc/runtime';

/** The outputs of one model without an adapter, with each of two, and with a mix; `adapters`: addresses by name. */
export async function swap({ ort, ep, model, adapters, feeds }) {
  const session = await AdapterSession.open(model, { ort, ep });
  const outputs = { base: await session.run(feeds) };
  for (const [name, address] of Object.entries(adapters)) {
    await session.load(name, await fetch(address));
    session.use(name);
    outputs[name] = await session.run(feeds);
  }
  const share = 1 / session.adapters.length;
  session.use(Object.fromEntries(session.adapters.map((name) => [name, share])));
  outputs.mix = await session.run(feeds);
  await session.close();
  return outputs;
}
