// Documents within the limit of JSON bytes whose stored form is longer: 0.1 is 4 bytes of JSON with its
// comma and 9 of CBOR, and a Durable Object's rows end at 2 MB. Whatever the answer, it is the same on both.

export const name = "row-bytes";

export async function run(t) {
  await t.register("[collections.items.fields]\n");
  const items = `${t.object()}/items`;
  for (const count of [200_000, 240_000, 300_000]) {
    await t.post(items, `{"id":"${count}","x":[${Array.from({ length: count }, () => "0.1").join(",")}]}`);
    await t.get(`${items}/${count}`, { shown: (answer) => (answer.status === 200 ? answer.json().x.length : answer.json()) });
  }
}
