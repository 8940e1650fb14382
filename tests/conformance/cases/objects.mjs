// Whole objects: state, deletion, a second life, listing in pages.

export const name = "objects";
export const evicted = true;

export async function run(t) {
  await t.register('[collections.items]\nkey = ["sku"]\n[collections.items.fields]\nsku = { type = "string", required = true }\n[collections.items.cold]\nenabled = false\n[collections.notes]\n[collections.notes.cold]\nenabled = false\n');
  await deletion(t);
  await secondLife(t);
  await listing(t);
}

async function deletion(t) {
  const items = `${t.object()}/items`;
  await t.get(`${t.object()}/state`, { expect: "404 unknown_object" });
  await t.post(items, { price: 1 }, { expect: "400 missing_field" });
  await t.get(`${t.object()}/state`, { expect: "404 unknown_object" });
  await t.post(items, [{ sku: "a" }, { sku: "b" }], { expect: 201 });
  await t.post(`${t.object()}/notes`, { id: "n" }, { expect: 201, headers: { "idempotency-key": "first" } });
  const state = (answer) => counts(answer.json());
  await t.get(`${t.object()}/state`, { expect: 200, shown: state });
  await t.delete(t.object(), { expect: 200, headers: { "x-source": "cleaner" }, shown: state });
  await t.refused([
    ["GET", `${items}/a`, {}, "404 object_deleted"],
    ["POST", `${items}/query`, { json: {} }, "404 object_deleted"],
    ["GET", `${t.object()}/state`, {}],
    ["DELETE", t.object(), {}, "404 object_deleted"],
    ["DELETE", t.object("never"), {}, "404 unknown_object"],
    ["DELETE", `${t.object()}?mode=all`, {}, "400 unknown_parameter"],
    ["PATCH", `${items}/a`, { patch: {} }],
  ].map(([method, path, options, expect]) => [method, path, { ...options, shown: hidden }, expect]));
  await t.changes("one", "&images=full");
  await t.request("HEAD", `${t.object()}/changes`, { expect: 200 });
  await t.get(`${t.object()}/changes?offset=now`, { expect: 200 });
}

async function secondLife(t) {
  const items = `${t.object()}/items`;
  await t.post(`${t.object()}/notes`, { id: "n" }, { expect: 201, headers: { "idempotency-key": "first" } });
  await t.post(items, { sku: "c" }, { expect: 201 });
  await t.get(`${items}/a`, { expect: "404 unknown_document" });
  await t.changes("one", "&limit=5");
  await t.get(`${t.object()}/state`, { expect: 200, shown: (answer) => counts(answer.json()) });
}

/** What of a state says where the object is, whichever host it is on. */
function counts({ status, head, headOffset, headHash, earliest, schemaVersion, documents, log, epoch }) {
  return { status, epoch, head, headOffset, headHash, earliest, schemaVersion, documents, records: log.records };
}

function hidden(answer) {
  const body = answer.json();
  return answer.status === 200 && body.log ? counts(body) : body;
}

async function listing(t) {
  const ids = ["a", "b%", "b~1", "b~2", "c d", "ü", "Z"];
  for (const id of ids) await t.post(`${t.object(id)}/items`, { sku: "x" }, { expect: 201 });
  await t.delete(t.object("a"), { expect: 200, shown: hidden });
  const list = `/v1/objects?type=${t.type}`;
  await t.get(list, { expect: 200 });
  await t.get(`${list}&prefix=b`, { expect: 200 });
  await t.get(`${list}&prefix=b%25`, { expect: 200 });
  await t.get(`${list}&prefix=none`, { expect: 200 });
  let seen = 0;
  for (let after = ""; after !== undefined; ) {
    const page = (await t.get(`${list}&limit=3${after && `&after=${encodeURIComponent(after)}`}`, { expect: 200 })).json();
    seen += page.objects.length;
    after = page.next;
  }
  t.check(`8 objects in pages, not ${seen}`, seen === 8);
  await t.refused([
    ["GET", `${list}&limit=x`, {}, "400 limit_out_of_range"],
    ["GET", `${list}&order=id`, {}, "400 unknown_parameter"],
    ["GET", "/v1/objects?type=Bad", {}, "400 invalid_name"],
    ["GET", `/v1/objects?type=${t.type}_none`, {}],
  ]);
}
