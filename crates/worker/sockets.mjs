// Sockets that follow a log and let their object sleep.

import { problemResponse } from "./http.mjs";

/// Accepts a reader; refused queries are answered as HTTP.
export async function accept(ctx, held, query) {
  const reader = JSON.parse(held.now((actor) => actor.constructor.follow(query)));
  if (reader.error) return problemResponse(JSON.stringify(reader.error));
  const { 0: client, 1: server } = new WebSocketPair();
  ctx.acceptWebSocket(server);
  ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  server.serializeAttachment(reader.attachment);
  await advance(held, server);
  return new Response(null, { status: 101, webSocket: client });
}

/// One reader at a time is advanced: its attachment is read, used and written in order.
const turns = new WeakMap();

/// Sends a reader what is new, as far as it has acknowledged.
export function advance(held, socket, heard) {
  const before = turns.get(socket) ?? Promise.resolve();
  const turn = before.then(() => send(held, socket, heard)).catch(() => socket.close(1011, "internal"));
  turns.set(socket, turn);
  return turn;
}

async function send(held, socket, heard) {
  const kept = socket.deserializeAttachment();
  const step = JSON.parse(await held.call(true, (actor) => actor.followOn(kept, heard)));
  if (step.error) {
    socket.send(JSON.stringify({ error: step.error }));
    socket.close(1008, step.error.code);
    return;
  }
  socket.serializeAttachment(step.attachment);
  for (const message of step.messages) socket.send(message);
  if (step.done) socket.close(1000, "the log is closed");
}
