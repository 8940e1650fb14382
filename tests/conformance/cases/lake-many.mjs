// Many turns of several objects, moved to the lake while they are written: the table equals the logs.

export const name = "lake-many";
export const evicted = true;

const OBJECTS = ["a", "b", "c"];

export async function run(t) {
  t.collections = ["items"];
  await t.register('[collections.items]\nkey = ["sku"]\n[collections.items.fields]\nsku = { type = "int", required = true }\n[collections.items.cold]\npartition_by = [{ field = "sku", transform = "truncate[100]" }]\n');
  for (let turn = 0; turn < 8; turn += 1) {
    for (const id of OBJECTS) {
      const rows = Array.from({ length: 40 }, (_, at) => ({ sku: turn * 40 + at, on: id }));
      await t.post(`${t.object(id)}/items`, rows, { expect: 201, shown: (answer) => answer.json().offset });
      await t.delete(`${t.object(id)}/items/${turn * 40 + 7}`, { expect: 200 });
    }
  }
  await t.settle(...OBJECTS);
  await t.lakeIsLog("items", ...OBJECTS);
  const rows = await t.lakeRows("items");
  t.note(`${rows.length} rows`);
  t.check(`984 rows, not ${rows.length}`, rows.length === 984);
}
