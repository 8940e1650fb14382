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

/// An actor's own code panicked, or ran out of memory, in this call. Nothing of its turn stays.
export class ActorFailed extends Error {
  constructor(panic, cause) {
    super(panic ? `the actor panicked: ${panic.text}` : `the actor ended its instance: ${cause?.message ?? cause}`);
    this.name = "ActorFailed";
  }

  get document() {
    return problem("actor_failed", this.message);
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
/// What the instance died of. The trap it ends in goes through Rust's outer frames, which panic too.
let firstPanic;
/// The calls that wait, by their numbers.
const waiting = new Map();
let calls = 0;
/// The call whose actor runs its own code; 0 for none. Alarms look after themselves.
let acting = 0;

globalThis.__tidelogPanicked = (message, text) => {
  firstPanic ??= { message, text };
};

globalThis.__tidelogActing = (call) => {
  acting = call;
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
  const lost = new InstanceLost(firstPanic ?? error);
  const failed = new ActorFailed(firstPanic, error);
  console.error(`tidelog: ${lost.message}`);
  const [panicked, ended] = [acting, [...waiting]];
  firstPanic = undefined;
  acting = 0;
  generation += 1;
  wasm.__wbg_reset_state();
  registerActors();
  waiting.clear();
  for (const [call, reject] of ended) reject(call === panicked ? failed : lost);
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
    return awaited((call) => f(this.#current(), call));
  }
}

/// Waits for Rust, which is given the number of this call; who waits is told when the instance is lost.
export function awaited(rust) {
  // Before this call waits: it is none of those that are lost.
  mend();
  calls = (calls % CALLS_MAX) + 1;
  const call = calls;
  return new Promise((resolve, reject) => {
    waiting.set(call, reject);
    const done = (settle) => (value) => {
      waiting.delete(call);
      settle(value);
    };
    try {
      Promise.resolve(enter(() => rust(call))).then(done(resolve), done(reject));
    } catch (error) {
      // What a trap ends, this call among them, is told by who replaces the instance.
      if (isTrap(error)) return replace(error);
      waiting.delete(call);
      reject(error);
    }
  });
}

/// Numbers start again here: none of the first wait still.
const CALLS_MAX = 2 ** 32 - 1;

/// An error as its problem document: what HTTP shows for it.
export function problem(code, message) {
  return enter(() => wasm.problem(code, message));
}

/// The permanent address of an object.
export function nameOf(type, id) {
  return enter(() => wasm.Front.nameOf(type, id));
}
