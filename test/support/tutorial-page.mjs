// The page around the pages of docs/tutorials/browser.md: it chooses files and moves sliders as a reader does, and tells what it sees.
const frame = document.body.appendChild(document.createElement('iframe'));
const one = (selector) => frame.contentDocument.querySelector(selector);

/** What `look` gives, once that is not falsy. */
async function seen(look) {
  for (;;) {
    const found = look();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Opens a page, and gives its input once it listens. */
async function opened(address, input) {
  frame.src = address;
  return seen(() => one(input)?.onchange && one(input));
}

function choose(input, files) {
  const chosen = new DataTransfer();
  for (const file of files) chosen.items.add(file);
  input.files = chosen.files;
  input.dispatchEvent(new Event('change', { bubbles: true }));
}

const failure = new Promise((_, fail) => {
  frame.addEventListener('load', () => {
    frame.contentWindow.onerror = (_message, _source, _line, _column, error) => fail(error);
    frame.contentWindow.onunhandledrejection = ({ reason }) => fail(reason);
  });
});

async function answer() {
  const { texts } = await (await fetch('/job')).json();
  const adapters = [];
  const results = [];
  const input = await opened('/train.html', '#text');
  for (const name of texts) {
    choose(input, [new File([await (await fetch(`/texts/${name}`)).blob()], name)]);
    const wanted = name.replace('.txt', '.safetensors');
    const link = await seen(() => one('#result a')?.download === wanted && one('#result a'));
    results.push(one('#result').textContent);
    adapters.push(new File([await (await fetch(link.href)).blob()], wanted));
  }

  const files = await opened('/swap.html', '#files');
  const written = () => seen(() => one('#text').textContent.length === 100 && one('#text').textContent);
  const base = await written();
  choose(files, adapters);
  const sliders = await seen(() => {
    const all = [...frame.contentDocument.querySelectorAll('#shares input')];
    return all.length === adapters.length && all;
  });
  const withShares = async (shares) => {
    for (const [k, slider] of sliders.entries()) slider.value = shares[k];
    one('#text').textContent = '';
    sliders[0].dispatchEvent(new Event('change', { bubbles: true }));
    return written();
  };
  const alone = [];
  for (const k of sliders.keys()) alone.push(await withShares(sliders.map((_, at) => (at === k ? 1 : 0))));
  const mix = await withShares(sliders.map(() => 0.5));
  const adapter = [...new Uint8Array(await adapters[0].arrayBuffer())];
  return { results, base, alone, mix, again: await withShares(sliders.map(() => 0)), adapter };
}

const body = await Promise.race([answer(), failure]).catch((error) => ({
  failed: String(error?.stack ?? error),
}));
await fetch('/answer', { method: 'POST', body: JSON.stringify(body) });
