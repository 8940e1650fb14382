// The one WebAssembly instance of this isolate, and what happens when it traps.
//
// A trap (a panic, a stack overflow, memory that ran out), or the platform's ending an actor in the
// middle of a call, leaves memory that nobody may trust, so the instance is replaced. SQLite has undone what the trap interrupted. Whoever waits for a call
// into the old instance is told; actors are made anew from their databases on their next call.

import * as wasm from "./build/tidelog.js";
import module from "./build/tidelog_bg.wasm";

/// A call ended because the instance it ran in was replaced.
export class InstanceLost extends Error {
  constructor(cause) {
    super(`the instance was replaced: ${cause?.message ?? cause}`);
    this.name = "InstanceLost";
  }

  get document() {
    return problem("actor_reset", "the actor was reset; whether a write was done is not known");
  }
}

/// Nothing in Rust can be made: an actor's name or a setting is wrong. Rust says `code: message`.
export class NotMade extends Error {
  constructor(text) {
    super(text);
    this.name = "NotMade";
  }

  get document() {
    const [, code = "internal", message = this.message] = /^(\w+): (.*)$/s.exec(this.message) ?? [];
    return problem(code, message);
  }
}

let generation = 0;
let lastPanic;
const waiting = new Set();

globalThis.__tidelogPanicked = (message) => {
  lastPanic = message;
};

/// True while Rust runs. Rust is never entered from within: who finds this true, finds that the
/// platform ended an actor (aborted it, or its CPU time was over) in the middle of a call. Nothing
/// was unwound then, so the memory is as torn as after a trap.
let inside = false;

function mend() {
  if (inside) replace(new Error("its execution was ended from outside"));
  inside = false;
}

function enter(rust) {
  mend();
  inside = true;
  try {
    return rust();
  } finally {
    inside = false;
  }
}

// Rust's futures run as microtasks: a trap in one of them has no caller to be thrown at.
const queue = globalThis.queueMicrotask.bind(globalThis);
globalThis.queueMicrotask = (task) =>
  queue(() => {
    try {
      enter(task);
    } catch (error) {
      // Whatever was thrown went through Rust's frames without running what they would have.
      replace(error);
    }
  });

wasm.initSync({ module });
registerActors();

/// A crate of one's own names its actors here (`tidelog_worker::actors!`); the plain module has none.
function registerActors() {
  Reflect.get(wasm, "tidelogActors")?.();
}

function isTrap(error) {
  return error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
}

function replace(error) {
  const lost = new InstanceLost(lastPanic ?? error);
  console.error(`tidelog: ${lost.message}`);
  lastPanic = undefined;
  generation += 1;
  wasm.__wbg_reset_state();
  registerActors();
  const calls = [...waiting];
  waiting.clear();
  for (const reject of calls) reject(lost);
}

/// Something in Rust that is made again after the instance was replaced.
export class Held {
  #make;
  #value;
  #generation = -1;

  constructor(make) {
    this.#make = make;
  }

  #current() {
    if (this.#generation !== generation) {
      this.#value = this.#made();
      this.#generation = generation;
    }
    return this.#value;
  }

  #made() {
    try {
      return this.#make(wasm);
    } catch (error) {
      throw typeof error === "string" ? new NotMade(error) : error;
    }
  }

  /// Calls into Rust. A call that only reads is made again when its instance was lost.
  async call(reads, f) {
    try {
      return await this.#once(f);
    } catch (error) {
      if (!reads || !(error instanceof InstanceLost)) throw error;
      return await this.#once(f);
    }
  }

  /// Calls into Rust without waiting.
  now(f) {
    try {
      return enter(() => f(this.#current()));
    } catch (error) {
      if (!isTrap(error)) throw error;
      replace(error);
      throw new InstanceLost(error);
    }
  }

  #once(f) {
    return awaited(() => f(this.#current()));
  }
}

/// Waits for Rust; who waits is told when the instance is lost.
export function awaited(rust) {
  // Before this call waits: it is none of those that are lost.
  mend();
  return new Promise((resolve, reject) => {
    waiting.add(reject);
    const done = (settle) => (value) => {
      waiting.delete(reject);
      settle(value);
    };
    try {
      Promise.resolve(enter(rust)).then(done(resolve), done(reject));
    } catch (error) {
      waiting.delete(reject);
      if (!isTrap(error)) return reject(error);
      replace(error);
      reject(new InstanceLost(error));
    }
  });
}

/// An error as its problem document: what HTTP shows for it.
export function problem(code, message) {
  return enter(() => wasm.problem(code, message));
}

/// The permanent address of an object.
export function nameOf(type, id) {
  return enter(() => wasm.Front.nameOf(type, id));
}
