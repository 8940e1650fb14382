// Values of every type: what is taken, how it comes back, and the first value that is not taken.

export const name = "values";

const FIELDS = {
  string: "string", int: "int", bigint: "bigint", float: "float", bool: "bool", date: "date",
  timestamp: "timestamp", json: "json", binary: "binary", uuid: "uuid",
};
const INT_MAX = 9007199254740991;
const UUID = "01890a5d-ac96-774b-bcce-b302099a8057";

/** By type: values taken, as JSON text. */
const TAKEN = {
  string: ['""', '"plain"', '"\\u0000\\n\\"\\\\"', '"ü 🔑"', `"${"x".repeat(2_000)}"`],
  int: ["0", "-0", "1", `${INT_MAX}`, `-${INT_MAX}`, "1.0", "1e3"],
  bigint: ['"0"', '"-1"', '"9223372036854775807"', '"-9223372036854775808"', "7", '"007"'],
  float: ["0", "-0.0", "1", "1.0", "0.1", "1e308", "5e-324", "-1.7976931348623157e308", "123456789012345680", "1e21", "1e-7"],
  bool: ["true", "false"],
  date: ['"1970-01-01"', '"0000-01-01"', '"9999-12-31"', '"2024-02-29"'],
  timestamp: [
    '"1970-01-01T00:00:00Z"', '"2013-05-06T07:08:09.123456Z"', '"2013-05-06T07:08:09.5+02:00"', '"1684-07-28T00:12:25.259009Z"',
    '"2255-06-05T23:47:34.740991Z"', "1367824089123", "-1",
  ],
  json: ["1", "1.0", '"x"', "[]", "{}", '{"b":[1,null,{"z":1,"a":2}],"a":true}', "[[[[[[[[]]]]]]]]", "false"],
  binary: ['""', '"AA=="', '"//79"'],
  uuid: [`"${UUID}"`, `"${UUID.toUpperCase()}"`, `"${UUID.replaceAll("-", "")}"`, '"00000000-0000-0000-0000-000000000000"'],
};

/** By type: values refused, as JSON text. */
const REFUSED = {
  string: ["1", "true", "[]", "{}"],
  int: [`${INT_MAX + 1}`, `-${INT_MAX + 1}`, "0.5", '"1"', "true", "1e300"],
  bigint: ['"9223372036854775808"', '"1.5"', '""', '"x"', "1.5", '" 1"'],
  float: ['"1"', "1e400", "null1", "true"],
  bool: ["0", '"true"'],
  date: ['"2023-02-29"', '"1970-1-1"', '"10000-01-01"', "0", '"1970-01-01T00:00:00Z"'],
  timestamp: [
    '"1970-01-01"', '"1970-01-01T00:00:00"', '"1970-01-01T24:00:00Z"', '"1970-01-01T00:00:00.1234567Z"',
    '"2300-01-01T00:00:00Z"', "9007199254740992", "1.5", '"1600-01-01T00:00:00Z"', "true",
  ],
  binary: ['"AA"', '"A*=="', "1"],
  uuid: ['"x"', `"${UUID.slice(1)}"`, "1"],
};

export async function run(t) {
  const fields = Object.entries(FIELDS).map(([field, type]) => `${field} = { type = "${type}" }`);
  await t.register(`[collections.all.fields]\n${fields.join("\n")}\nvector = { type = "vector", dimensions = 3 }\n`);
  const all = `${t.object()}/all`;
  for (const [field, values] of Object.entries(TAKEN)) {
    for (const [at, value] of values.entries()) {
      await t.post(all, `{"id":"${field}-${at}","${field}":${value}}`, { expect: 201 });
      await t.get(`${all}/${field}-${at}`, { expect: 200 });
    }
  }
  for (const [field, values] of Object.entries(REFUSED)) {
    for (const value of values) await refused(t, all, `{"id":"bad","${field}":${value}}`);
  }
  await vectors(t, all);
  await undeclared(t, all);
  await t.get(`${all}/bad`, { expect: "404 unknown_document" });
  await t.changes("one", "&images=full");
  await t.post(`${all}/query`, {}, { expect: 200 });
  for (const field of Object.keys(FIELDS)) await t.post(`${all}/query`, { where: { [field]: { exists: true } }, select: [field] }, { expect: 200 });
}

async function vectors(t, all) {
  await t.post(all, '{"id":"v","vector":[1,0.1,-3e38]}', { expect: 201 });
  await t.get(`${all}/v`, { expect: 200 });
  for (const value of ["[1,2]", "[1,2,3,4]", '[1,2,"3"]', "[1,2,1e39]", "1", "[]"]) await refused(t, all, `{"id":"bad","vector":${value}}`);
}

/** Which code it is stands in the transcript. */
async function refused(t, all, json) {
  const answer = await t.post(all, json);
  t.check(`${json} is refused`, answer.status === 400);
}

async function undeclared(t, all) {
  const members = '{"id":"u","a":1,"b":1.0,"c":-0.0,"d":12345678901234567890,"e":1e300,"f":null,"g":"\\u0000","h":{"y":1,"x":[]},"Z":true}';
  await t.post(all, members, { expect: 201 });
  await t.get(`${all}/u`, { expect: 200 });
  await t.patch(`${all}/u`, { a: null, f: 1, h: { y: null, w: 2 }, string: "s" }, { expect: 200 });
  await t.get(`${all}/u`, { expect: 200 });
}
