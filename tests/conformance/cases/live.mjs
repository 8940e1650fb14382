// Live reading: long-poll that is answered by a write or by the end of its time, server-sent events.

export const name = "live";

export async function run(t) {
  await t.register('[collections.items]\nkey = ["sku"]\n[collections.items.fields]\nsku = { type = "string", required = true }\n[collections.notes.fields]\n');
  const insert = (sku) => t.post(`${t.object()}/items`, { sku }, { expect: 201 });
  const changes = `${t.object()}/changes`;
  await insert("a");
  await longPoll(t, changes, insert);
  await events(t, changes, insert);
  await throughEviction(t, changes, insert);
  await closed(t);
}

async function longPoll(t, changes, insert) {
  const there = await t.get(`${changes}?offset=-1&live=long-poll`, { expect: 200 });
  let next = there.header("stream-next-offset");
  const answered = await t.meanwhile("GET", `${changes}?offset=${next}&live=long-poll&cursor=7`, () => insert("b"));
  next = answered.header("stream-next-offset");
  t.note("what a filter leaves out does not answer");
  await t.meanwhile("GET", `${changes}?offset=${next}&live=long-poll&collections=items`, async () => {
    await t.post(`${t.object()}/notes`, { id: "n" }, { expect: 201 });
    await insert("c");
  });
  t.note("the host's time for a long-poll ends");
  const none = await t.get(`${changes}?offset=now&live=long-poll`, { expect: 204 });
  await t.get(`${changes}?offset=${none.header("stream-next-offset")}`, { expect: 200 });
}

async function events(t, changes, insert) {
  await t.follow(`${changes}?offset=-1&live=sse`, async (frames) => {
    await frames(2);
    await insert("d");
    await frames(4);
    await insert("e");
    await frames(6);
  });
  await t.follow(`${changes}?offset=now&live=sse&operations=DELETE&images=full`, async (frames) => {
    await frames(1);
    await t.delete(`${t.object()}/items/d`, { expect: 200 });
    await frames(3);
  });
}

/** A client that holds the last offset it was told misses nothing, whatever became of the object. */
async function throughEviction(t, changes, insert) {
  const tail = await t.request("HEAD", changes, { expect: 200 });
  let next = tail.header("stream-next-offset");
  for (const sku of ["f", "g"]) {
    await t.evict();
    await insert(sku);
    const answer = await t.follow(`${changes}?offset=${next}&live=sse`, (frames) => frames(2));
    next = /"streamNextOffset":"([^"]+)"/.exec(answer.text)[1];
  }
  await t.evict();
  await t.meanwhile("GET", `${changes}?offset=${next}&live=long-poll`, () => insert("h"));
}

async function closed(t) {
  const changes = `${t.object("gone")}/changes`;
  await t.post(`${t.object("gone")}/items`, { sku: "a" }, { expect: 201 });
  await t.follow(`${changes}?offset=-1&live=sse`, async (frames) => {
    await frames(2);
    await t.delete(t.object("gone"), { expect: 200, shown: (answer) => answer.json().headOffset });
    await frames(4);
  });
  await t.get(`${changes}?offset=-1&live=long-poll`, { expect: 200 });
  await t.get(`${changes}?offset=now&live=long-poll`);
  await t.follow(`${changes}?offset=-1&live=sse`, (frames) => frames(2));
}
