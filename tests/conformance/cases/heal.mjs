// A check of an object for damage, in pages, and healing where nothing is damaged: the damage itself is made in
// the engine's and the embedded server's tests, where its bytes can be reached.

import { ADMIN_TOKEN } from "../hosts/pace.mjs";

export const name = "heal";
export const evicted = true;

const admin = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } };
// Bytes of blobs depend on the clock: documents hold none, but snapshots' ids are in parts.
const shown = (answer) => ({ ...answer.json(), checked: { ...answer.json().checked, bytes: undefined } });

const TYPE = `
[collections.notes]
hot = { vortex_threshold = 8 }
[collections.notes.fields]
id = { type = "string" }
n = { type = "int" }
`;

export async function run(t) {
  t.collections = ["notes"];
  const [check, heal] = [`${t.object()}/check`, `${t.object()}/heal`];
  await t.register(TYPE);
  await t.get(check, { ...admin, expect: "404 unknown_object" });
  await t.post(`${t.object()}/notes`, Array.from({ length: 20 }, (_, n) => ({ id: `k${n}`, n })), { expect: 201 });
  await t.put(`${t.object()}/notes/k3`, { n: 30 }, { expect: 200 });
  await t.folded("one");
  await t.post(`${t.object()}/snapshots`, {}, { ...admin, expect: 201, own: ["bytes", "ownBytes"] });
  await t.get(heal, { ...admin, expect: "404 no_heal" });
  await t.get(check, { ...admin, expect: 200, shown });
  await t.get(`${check}?after=2.0.0.0.`, { ...admin, expect: 200, shown });
  await t.get(`${check}?after=nowhere`, { ...admin, expect: "400 invalid_cursor" });
  await t.post(heal, {}, { ...admin, expect: 200 });
  await t.get(heal, { ...admin, expect: 200 });
  await t.get(`${t.object()}/snapshots/audit`, { ...admin, expect: 200 });
  await t.get(check, { expect: "401 unauthorized" });
  await t.post(heal, {}, { expect: "401 unauthorized" });
}
