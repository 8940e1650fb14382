// How long snapshots stay: an object's own rules over its type's over the defaults, too many of them, chains
// that stay whole, one that is kept, one that is gone; rules that are refused.

import { ADMIN_TOKEN } from "../hosts/pace.mjs";

export const name = "snapshots-retention";
export const evicted = true;

const admin = { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } };
const own = ["bytes", "ownBytes"];
const SETTLE_MILLIS = 30_000;

export async function run(t) {
  const snapshots = `${t.object()}/snapshots`;
  const rules = (json, expect = 200) => t.put(`${snapshots}/retention`, json, { ...admin, expect });
  await t.register('[snapshots.retention]\nhot_age = "3d"\nhot_count = 50\n[collections.notes.cold]\nenabled = false\n[collections.notes.fields]\nid = { type = "string" }\n');
  await t.get(`${snapshots}/retention`, { ...admin, expect: "404 unknown_object" });
  const taken = [];
  const take = async (kind) => {
    await t.post(`${t.object()}/notes`, { id: `k${taken.length}` }, { expect: 201 });
    taken.push((await t.post(snapshots, { kind }, { ...admin, expect: 201, own })).json().id);
  };
  await take("full");
  await t.get(`${snapshots}/retention`, { ...admin, expect: 200 });
  await rules({ hotCount: 2, chain: 1, coldAge: 0 });
  await rules({ hotAge: "5s" }, "400 invalid_body");
  await rules({ hotCount: 1_001 }, "400 invalid_body");
  await rules({ promoteSize: [] }, "400 invalid_body");
  await rules({ age: "7d" }, "400 invalid_body");
  await take("incremental");
  await t.post(snapshots, { kind: "incremental" }, { ...admin, expect: "409 snapshot_chain_too_long" });
  await take("full");
  await until(t, snapshots, taken);
  await t.request("PATCH", `${snapshots}/${taken[2]}`, { json: { keep: true }, ...admin, expect: 200, own });
  await t.request("PATCH", `${snapshots}/${taken[2]}`, { json: { keep: "yes" }, ...admin, expect: "400 invalid_body" });
  await take("full");
  await until(t, snapshots, taken.slice(2));
  await take("full");
  await take("full");
  await until(t, snapshots, [taken[2], ...taken.slice(4)]);
  await t.get(`${snapshots}/${taken[0]}`, { ...admin, expect: "410 snapshot_expired" });
  await t.post(`${t.object()}/restore`, { snapshot: taken[1] }, { ...admin, expect: "410 snapshot_expired" });
  await t.post(`${t.object()}/restore`, { snapshot: taken[2], dryRun: true }, { ...admin, expect: 200 });
  await rules({});
  await t.get(`${snapshots}/audit`, { ...admin, expect: 200 });
}

/** Waits until these are left. Reading wakes nothing up: the alarm alone goes on. */
async function until(t, path, wanted) {
  const deadline = Date.now() + SETTLE_MILLIS;
  for (let now; now !== `${wanted}`; ) {
    if (Date.now() > deadline) throw new Error(`${now} is not ${wanted}`);
    const { snapshots } = (await t.quietly("GET", path, admin)).json();
    now = `${snapshots.map(({ id }) => id).reverse()}`;
  }
}
