// What the declarations must refuse. tsc fails when one of these lines is accepted.

import { documentsOf, errorOf, objectName } from "../../../crates/worker/client.mjs";
import type { ObjectNamespace, Tidelog } from "../../../crates/worker/index.js";

export async function wrong(env: { TIDELOG: Tidelog; OBJECT: ObjectNamespace }): Promise<void> {
  const object = env.TIDELOG.object("airport", "JFK");
  // @ts-expect-error an object has a type and an id
  env.TIDELOG.object("airport");
  // @ts-expect-error the id is text
  env.TIDELOG.object("airport", 1);
  // @ts-expect-error a collection comes before its documents
  await object.insert({ id: "a" });
  // @ts-expect-error a document has members
  await object.insert("notes", "a");
  // @ts-expect-error documents are JSON, which has no dates
  await object.insert("notes", { at: new Date() });
  // @ts-expect-error JSON has no big integers
  await object.upsert("notes", [{ at: 1n }]);
  // @ts-expect-error an option is misspelt
  await object.insert("notes", { id: "a" }, { idempotencykey: "k" });
  // @ts-expect-error an insert is bound to no version
  await object.insert("notes", { id: "a" }, { ifVersion: 1 });
  // @ts-expect-error versions are numbers
  await object.update("notes", "a", {}, { ifVersion: "1" });
  // @ts-expect-error the key is missing
  await object.put("notes", { id: "a" });
  // @ts-expect-error there is no such operation
  await object.batch([{ op: "replace", collection: "notes", document: {} }]);
  // @ts-expect-error an update has a patch, not a document
  await object.batch([{ op: "update", collection: "notes", key: "a", document: {} }]);
  // @ts-expect-error the reply is what the caller says it is
  (await object.message<{ total: number }>("add")).sum;
  // @ts-expect-error a query has no member `filter`
  await object.query("notes", { filter: {} });
  // @ts-expect-error there is no such operation to follow
  await object.changes({ operations: ["UPSERT"] });
  // @ts-expect-error a document may be missing
  (await object.get("notes", "a")).document;
  // @ts-expect-error the answer has no such member
  (await object.state()).rows;
  // @ts-expect-error there is one tier
  await object.sync("hot");
  // @ts-expect-error a restore names one state
  await object.restore({ snapshot: "s", sequence: 1 });
  // @ts-expect-error a restore names a state
  await object.restore({ dryRun: true });
  // @ts-expect-error there are two kinds
  await object.snapshots.create({ kind: "half" });
  // @ts-expect-error the callback takes a page
  await object.follow({}, (page: string) => page === "");
  // @ts-expect-error there is no such call
  await object.remove("notes", "a");
  // @ts-expect-error a stream is made of bytes
  (await object.rows("notes")).getReader().read().then(({ value }) => value?.id);
  // @ts-expect-error an object is found by its id, not by its name
  env.OBJECT.get(objectName("airport", "JFK"));
  // @ts-expect-error the error may be none of ours
  errorOf(new Error("no")).code;
  for await (const page of documentsOf(await object.subscribe())) {
    // @ts-expect-error an event has no such member
    page.events[0]?.row;
  }
}
