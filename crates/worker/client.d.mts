// Types of client.mjs.

import type { ChangesPage, Problem } from "./index.js";

/** The problem document of an error that a call has thrown; `undefined` for any other error. */
export function errorOf(error: unknown): Problem | undefined;

/** The name of an object's Durable Object, for `env.OBJECT.idFromName`. */
export function objectName(type: string, id: string): string;

/** The documents of `rows` (say which type they have) and `subscribe`. Leaving the loop ends the stream. */
export function documentsOf<T = ChangesPage>(stream: ReadableStream<Uint8Array>): AsyncGenerator<T, void, undefined>;
