// workerd alone: alarms that come when nothing is due, twice, or right after an eviction do what is left
// to do and nothing else.

export const name = "worker-alarm";
export const only = "worker";

export async function run(t) {
  await t.register('[collections.items]\nkey = ["sku"]\n[collections.items.fields]\nsku = { type = "int", required = true }\n');
  const actors = [t.objectActor(), t.tableActor("items")];
  const rings = async () => {
    for (const actor of actors) await t.host.test("alarm", actor);
  };
  for (let sku = 0; sku < 10; sku += 1) {
    await t.post(`${t.object()}/items`, { sku }, { expect: 201 });
    if (sku % 3 === 0) await t.evict(actors);
    await rings();
    if (sku % 4 === 0) await rings();
  }
  await t.settle("one");
  const before = (await t.quietly("GET", `${t.object()}/state`)).json();
  for (let times = 0; times < 5; times += 1) await rings();
  const after = (await t.quietly("GET", `${t.object()}/state`)).json();
  t.check(`alarms at rest change nothing: ${JSON.stringify([before, after])}`, JSON.stringify(places(before)) === JSON.stringify(places(after)));
  await t.lakeIsLog("items", "one");
}

function places({ head, headHash, log, documents, lake }) {
  return { head, headHash, log, documents, lake: lake.map(({ accepted, committed }) => [accepted, committed]) };
}
