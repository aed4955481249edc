/** Lines of JSON with texts of some hundred letters and one of three labels, a few hundred at a time, `bytes` in all or a little more. */
export function* generatedRecords(bytes: number, seed: number): Generator<string> {
  const text = Array.from({ length: 4000 }, (_, i) =>
    String.fromCharCode(97 + ((i * i + 7 * i + seed) % 26)),
  ).join('');
  let number = 0;
  for (let made = 0; made < bytes; ) {
    let lines = '';
    for (let k = 0; k < 200; k++, number++) {
      const start = (number * 131) % 3000;
      const row = {
        text: text.slice(start, start + 300 + (number % 700)),
        label: ['fish', 'bird', 'newt'][number % 3],
      };
      lines += `${JSON.stringify(row)}\n`;
    }
    made += lines.length;
    yield lines;
  }
}
