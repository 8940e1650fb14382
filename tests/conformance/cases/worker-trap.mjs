// workerd alone: wasm traps in the middle of a turn. The turn left nothing, and the same object goes on,
// over HTTP and over RPC on a stub that was there before.

export const name = "worker-trap";
export const only = "worker";

export async function run(t) {
  await t.register('[collections.items]\nkey = ["sku"]\n[collections.items.fields]\nsku = { type = "string", required = true }\n');
  const items = `${t.object()}/items`;
  await t.post(items, { sku: "before" }, { expect: 201 });
  const stub = await t.host.stub(t.objectActor());
  t.check("the stub reads", (await stub.get("items", "before")) !== null);
  const [first] = await t.events();

  const live = await fetch(`${t.host.url}${t.object()}/changes?offset=now&live=sse`);
  const reader = live.body.getReader();
  await reader.read();

  await t.host.test("trap", t.objectActor());
  const trapped = await t.quietly("POST", items, { json: { sku: "trapped" } });
  t.check(`a trap is a failure of the server, not ${trapped.status} ${trapped.text}`, trapped.status >= 500);
  t.check("RPC on the same stub reads what was there", (await stub.get("items", "before")) !== null);
  await t.get(`${items}/trapped`, { expect: "404 unknown_document" });
  await t.post(items, { sku: "trapped" }, { expect: 201 });
  await t.post(items, { sku: "trapped" }, { expect: "409 duplicate_key" });

  t.check("a live reader is not left hanging", await ends(reader));

  const events = await t.events();
  t.check(`two events, not ${JSON.stringify(events)}`, events.map((event) => event.documentId).join() === "before,trapped");
  t.check("the log goes on as it was", JSON.stringify(events[0]) === JSON.stringify(first));
  await t.post(`${t.object()}/sync`, { tier: "cold" }, { expect: 200 });
  await t.lakeIsLog("items", "one");
}

/** True once a stream ended or broke off; a stream that goes on or says nothing for 10 s does not. */
async function ends(reader) {
  const limit = new Promise((resolve) => setTimeout(resolve, 10_000, false).unref());
  const end = (async () => {
    for (;;) {
      const { done } = await reader.read().catch(() => ({ done: true }));
      if (done) return true;
    }
  })();
  return Promise.race([end, limit]);
}
