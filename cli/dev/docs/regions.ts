const REGION = /(<!-- table (\S+) -->\n)[\s\S]*?(<!-- end -->)/g;

/** A document with the tables between its marks made. Throws for a name that is not in `tables`. */
export function withTables(text: string, tables: Readonly<Record<string, () => string>>): string {
  return text.replace(REGION, (_, head: string, name: string, end: string) => {
    const make = tables[name];
    if (!make) throw new Error(`no table is called ${name}: ${Object.keys(tables).join(', ')}`);
    return `${head}${make()}${end}`;
  });
}
