// For Workers that call this one: what RPC cannot carry. Needs nothing but JavaScript.

/// The problem document of an error that a call has thrown; `undefined` for any other error.
///
/// To a Worker with a compatibility date before 2026-04-21, RPC carries the message of an error
/// alone: the document stands in its last line too.
export function errorOf(error) {
  const message = typeof error?.message === "string" ? error.message : "";
  const line = message.slice(message.lastIndexOf("\n") + 1);
  if (!line.startsWith("{")) return undefined;
  try {
    const problem = JSON.parse(line);
    return typeof problem.code === "string" && message.includes(`${problem.code}: `) ? problem : undefined;
  } catch {
    return undefined;
  }
}

/// The name of an object's Durable Object, for `env.OBJECT.idFromName`.
export function objectName(type, id) {
  return `default/object/${type}/${id}/0`;
}

/// The documents of `rows` and `subscribe`, one after the other. Leaving the loop ends the stream.
export async function* documentsOf(stream) {
  const decoder = new TextDecoder();
  let begun = "";
  for await (const chunk of stream) {
    const lines = (begun + decoder.decode(chunk, { stream: true })).split("\n");
    begun = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}
