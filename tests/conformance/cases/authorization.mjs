// With a token every route but /healthz asks for it. The host is started again with one, then without.

export const name = "authorization";

const TOKEN = "0123456789abcdef-conformance";
const bearer = (token) => ({ headers: { authorization: token } });

export async function run(t) {
  await t.register("[collections.items.fields]\n");
  await t.post(`${t.object()}/items`, { id: "a" }, { expect: 201 });
  await t.restart({ token: TOKEN });
  try {
    await guarded(t);
  } finally {
    await t.restart();
  }
  await t.get(`${t.object()}/items/a`, { expect: 200 });
  await t.get(`${t.object()}/items/a`, { ...bearer("Bearer whatever"), expect: 200 });
}

async function guarded(t) {
  const item = `${t.object()}/items/a`;
  await t.get("/healthz", { expect: 200 });
  for (const path of ["/", "/readyz", "/metrics", "/openapi.json", "/v1/types", item, "/v1/nothing"]) await t.get(path, { expect: "401 unauthorized" });
  await t.request("HEAD", item, { expect: "401" });
  await t.get("/iceberg/v1/config");
  await t.put(item, {}, { expect: "401 unauthorized" });
  for (const wrong of ["Bearer", "Bearer ", `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`, TOKEN]) {
    await t.get(item, { ...bearer(wrong), expect: "401 unauthorized" });
  }
  await t.get(item, { ...bearer(`Bearer ${TOKEN}`), expect: 200 });
  await t.get(item, { ...bearer(`bearer ${TOKEN}`) });
  await t.get("/v1/nothing", { ...bearer(`Bearer ${TOKEN}`), expect: "404 unknown_route" });
}
