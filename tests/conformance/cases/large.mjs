// What is large: an object whose deletion takes several turns, groups over a limit of bytes.

export const name = "large";

const ROWS = 12_000;

export async function run(t) {
  await t.register('[collections.items]\n[collections.items.fields]\ntext = { type = "string" }\n[collections.items.cold]\nenabled = false\n');
  await deletion(t);
  await groups(t);
}

/** Timers or alarms go on with what the request began. */
async function deletion(t) {
  const ndjson = Array.from({ length: ROWS }, (_, at) => JSON.stringify({ id: String(at) })).join("\n");
  await t.request("POST", `${t.object()}/items`, { ndjson, expect: 200, shown: (answer) => answer.text.trim().split("\n").length });
  await t.quietly("DELETE", t.object());
  for (let status; status !== "deleted"; ) status = (await t.quietly("GET", `${t.object()}/state`)).json().status;
  const events = await t.events();
  t.check(`${2 * ROWS} events, not ${events.length}`, events.length === 2 * ROWS);
  t.check("no event is missing", events.every((event, at) => event.sequence === at + 1));
  t.check("every document was deleted once", new Set(events.slice(ROWS).map((event) => event.documentId)).size === ROWS);
  t.note(`${events.length} events; the last: ${JSON.stringify(events.at(-1))}`);
  await t.request("HEAD", `${t.object()}/changes`, { expect: 200 });
}

async function groups(t) {
  const items = `${t.object("groups")}/items`;
  const line = (at) => JSON.stringify({ id: String(at), text: `${at}`.padEnd(1_400_000, "x") });
  const ndjson = Array.from({ length: 24 }, (_, at) => line(at)).join("\n");
  await t.request("POST", items, { ndjson, expect: 200, shown: (answer) => answer.text.trim().split("\n").at(-1) });
  await t.post(`${items}/query`, { groupBy: ["text"], limit: 1 }, { expect: "413 too_many_groups" });
  await t.post(`${items}/query`, { aggregate: { texts: { countDistinct: "text" } } }, { expect: "413 too_many_groups" });
  const sizes = (answer) => [answer.json().rows.map((row) => row.text.length), answer.json().next !== undefined];
  await t.post(`${items}/query`, { limit: 10 }, { expect: 200, shown: sizes });
  const events = (answer) => answer.json().map((event) => event.sequence);
  await t.get(`${t.object("groups")}/changes`, { expect: 200, shown: events });
}
