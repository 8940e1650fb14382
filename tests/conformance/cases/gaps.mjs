// `tidelog gaps` against both hosts: sequences of log and lake, and times without readings by group.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

export const name = "gaps";

const TYPE = `
[collections.readings]
key = ["n"]
[collections.readings.fields]
n = { type = "string", required = true }
sensor = { type = "string" }
at = { type = "timestamp" }
[collections.notes.fields]
text = { type = "string" }
`;
const day = (time) => `2026-11-29T${time}Z`;

export async function run(t) {
  t.collections = ["readings", "notes"];
  await t.register(TYPE);
  const times = { a: ["08:00:00", "08:10:00", "09:30:00"], b: ["08:00:00", "08:15:00", "08:30:00.000001"], c: ["23:00:00"] };
  for (const [sensor, all] of Object.entries(times)) {
    for (const [n, time] of all.entries()) {
      await t.post(`${t.object()}/readings`, { n: `${sensor}${n}`, sensor, at: day(time) }, { expect: 201 });
    }
  }
  await t.post(`${t.object()}/readings`, { n: "without" }, { expect: 201 });
  await t.post(`${t.object()}/notes`, { id: "n", text: "between" }, { expect: 201 });
  await t.post(`${t.object()}/sync`, { tier: "cold" }, { expect: 200, shown: () => "synced" });
  await t.delete(`${t.object()}/readings/without`, { expect: 200 });

  // The command reads tables over S3, which R2 on this machine does not have.
  if (t.host.name === "embedded") await finds(t, [], []);
  const by = ["readings", "--time", "at", "--group", "sensor", "--longer-than", "15m"];
  const gap = (group, from, to, seconds) => ({ kind: "time", group, from: day(from), to: day(to), seconds });
  const late = gap("a", "08:10:00", "09:30:00", 4800);
  await finds(t, by, [late, gap("b", "08:15:00", "08:30:00.000001", 900)]);
  await finds(t, [...by, "--from", day("08:20:00")], []);
  await finds(t, [...by, "--to", day("09:00:00")], [gap("b", "08:15:00", "08:30:00.000001", 900)]);
  await finds(t, ["readings", "--time", "at", "--longer-than", "1h"], [gap(null, "09:30:00", "23:00:00", 48_600)]);
  await finds(t, [...by, "--limit", "1"], [late]);
}

const inOrder = (gap) => Object.fromEntries(Object.entries(gap).sort());

/** What the command prints, and its exit code says the same. */
async function finds(t, more, wanted) {
  const args = ["gaps", `${t.type}/one`, ...more, "--json", "--url", t.host.url];
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TIDELOG_")));
  const done = await promisify(execFile)(process.env.TIDELOG_BIN, args, { env }).catch((failed) => failed);
  const lines = (done.stdout ?? "").split("\n").filter(Boolean).map((line) => inOrder(JSON.parse(line)));
  t.check(`${more.join(" ")}: ${JSON.stringify(lines)} ${done.stderr}`, JSON.stringify(lines) === JSON.stringify(wanted.map(inOrder)));
  t.check(`${more.join(" ")}: exit ${done.code ?? 0}`, (done.code ?? 0) === (wanted.length > 0 ? 1 : 0));
}
