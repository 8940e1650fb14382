// Routes that are none, methods that are none, and those that say what the host is.

export const name = "routes";

export async function run(t) {
  await t.register("[collections.items.fields]\n");
  await t.post(`${t.object()}/items`, { id: "a" }, { expect: 201 });
  await fixed(t);
  await missing(t);
  await methods(t);
  await tricks(t);
  await metrics(t);
}

async function fixed(t) {
  for (const path of ["/", "/healthz", "/readyz", "/openapi.json"]) {
    await t.get(path, { expect: 200 });
    await t.request("HEAD", path, { expect: 200 });
    await t.get(`${path}?x=1`, { expect: "400 unknown_parameter" });
    await t.request("POST", path, { expect: "405 method_not_allowed" });
  }
}

async function missing(t) {
  const one = t.object();
  for (const path of ["/v1", "/v1/", "/v2/types", "/v1/types/", "/V1/types", "//v1/types", "/healthz/", `${one}/`, `${one}/items/`, `${one}/items/a/b`, `${one}/changes/x`, "/iceberg"]) {
    await t.get(path, { expect: "404 unknown_route" });
  }
  await t.request("HEAD", "/v1/nothing", { expect: "404" });
}

async function methods(t) {
  const one = t.object();
  for (const [method, path] of [
    ["POST", "/v1/types"], ["DELETE", `/v1/types/${t.type}`], ["POST", "/v1/objects"], ["GET", one], ["PUT", one],
    ["PUT", `${one}/changes`], ["POST", `${one}/state`], ["GET", `${one}/sync`], ["PATCH", `${one}/items`], ["GET", `${one}/items`],
    ["POST", `${one}/items/a`], ["OPTIONS", `${one}/items/a`],
  ]) await t.request(method, path, { expect: "405 method_not_allowed" });
  await t.request("HEAD", `${one}/items`, { expect: "405" });
  for (const word of ["cache", "messages"]) await t.request("POST", `${one}/${word}`, { json: {}, expect: "404 unknown_route" });
}

async function tricks(t) {
  const items = `${t.object()}/items`;
  await t.refused([
    ["GET", `${items}/%zz`, {}, "400 invalid_path"],
    ["GET", `${items}/%ff`, {}, "400 invalid_path"],
    ["GET", `${items}/a%`, {}, "400 invalid_path"],
    ["GET", `${items}/%61`, {}, 200],
    ["GET", `${items}/a%2500`, {}, "404 unknown_document"],
    ["GET", `/v1/objects/${t.type}/a%2Fb/state`, {}, "400 invalid_object_id"],
    ["GET", `/v1/objects/${t.type}/a%00b/state`, {}, "400 invalid_object_id"],
    ["GET", "/v1/objects?type=%zz", {}, "400 invalid_parameter"],
    ["GET", "/v1/objects?type=a&type=a", {}, "400 invalid_parameter"],
  ]);
  t.note("a Worker sees a path only after the URL standard resolved dots: which refusal it is may differ");
  for (const path of [`/v1/objects/${t.type}/../items`, `/v1/objects/${t.type}/%2e%2e/items`, `/v1/objects/${t.type}/./items`]) {
    const answer = await t.quietly("POST", path, { json: { id: "dots" } });
    t.check(`${path} is refused, not ${answer.status}`, answer.status >= 400 && answer.status < 500);
  }
  await t.get(`${items}/dots`, { expect: "404 unknown_document" });
}

/** Which metrics there are is the host's own matter (an embedded server counts transactions, a Worker
 * has isolates that come and go), so only the form is compared. */
async function metrics(t) {
  const answer = await t.get("/metrics", { expect: 200, shown: (answer) => ({ wrong: wrongLines(answer.text) }) });
  t.check(`every metric has its help and type: ${wrongLines(answer.text)}`, wrongLines(answer.text).length === 0);
  t.check("metrics count rows", /^# TYPE tidelog_rows_written_total counter$/m.test(answer.text));
}

/** Lines that are not of the Prometheus text form, or samples that no TYPE line came before. */
function wrongLines(text) {
  const known = new Set();
  return text.split("\n").filter((line) => {
    const described = /^# (HELP|TYPE) (tidelog_[a-z0-9_]+) (.+)$/.exec(line);
    if (described) return described[1] === "TYPE" && (known.add(described[2]), !/^(counter|gauge|histogram)$/.test(described[3]));
    const sample = /^(tidelog_[a-z0-9_]+)(\{[^}]*\})? [0-9.e+-]+$/.exec(line);
    return line !== "" && !(sample && known.has(sample[1]));
  });
}
