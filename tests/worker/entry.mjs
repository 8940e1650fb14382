// The Worker with faults on request: `POST /test/...`, see the routes at the end. The classes are the
// production ones; what they are handed (storage, bucket, namespaces) is wrapped, and counts.

import * as production from "../../crates/worker/entry.mjs";

/// Thrown where an actor is torn down.
const TORN = "torn down by a test";

/// Per actor name: how many effect boundaries are left before it is torn down, and whether its
/// next statement traps. Shared by all instances of an actor: they are in one isolate here.
const plans = new Map();

function planOf(name) {
  if (!plans.has(name)) plans.set(name, { left: Infinity, passed: 0, trap: false, made: 0 });
  return plans.get(name);
}

function boundary(ctx, plan) {
  plan.passed += 1;
  plan.left -= 1;
  if (plan.left > 0) return;
  plan.left = Infinity;
  ctx.abort(TORN);
  throw new Error(TORN);
}

/// An object whose named methods are effect boundaries, before and after the effect.
function counting(target, names, pass, children = {}) {
  return new Proxy(target, {
    get(_, name) {
      const value = Reflect.get(target, name, target);
      if (children[name]) return children[name](value);
      if (typeof value !== "function") return value;
      if (!names.includes(name)) return value.bind(target);
      return (...args) => {
        pass();
        // Called by name: a stub's methods are remote, and so would be their `apply`.
        const result = target[name](...args);
        if (typeof result?.then !== "function") {
          pass();
          return result;
        }
        return result.then((settled) => {
          pass();
          return settled;
        });
      };
    },
  });
}

function wrap(ctx, env, name) {
  const plan = planOf(name);
  const pass = () => boundary(ctx, plan);
  const sql = (real) =>
    new Proxy(real, {
      get(_, member) {
        const value = Reflect.get(real, member, real);
        if (member !== "exec") return typeof value === "function" ? value.bind(real) : value;
        return (...args) => {
          // Of documents, whose tables are quoted: what an alarm writes does not take the trap.
          if (plan.trap && /^(INSERT INTO|UPDATE|DELETE FROM) "/.test(args[0])) {
            plan.trap = false;
            throw new WebAssembly.RuntimeError("a trap that a test asked for");
          }
          return real.exec(...args);
        };
      },
    });
  const storage = counting(ctx.storage, ["transactionSync", "setAlarm", "deleteAlarm", "sync"], pass, { sql });
  const stub = (real) => counting(real, ["ask", "fetch"], pass);
  const namespace = (real) =>
    new Proxy(real, {
      get(_, member) {
        const value = Reflect.get(real, member, real);
        if (member === "get") return (id) => stub(real.get(id));
        return typeof value === "function" ? value.bind(real) : value;
      },
    });
  const wrappedEnv = {
    ...env,
    OBJECT: namespace(env.OBJECT),
    TABLE: namespace(env.TABLE),
    REGISTRY: namespace(env.REGISTRY),
    CATALOG: namespace(env.CATALOG),
    LAKE: counting(env.LAKE, ["put", "get", "list", "delete", "head"], pass),
  };
  return { storage, env: wrappedEnv };
}

function testable(Class) {
  return class extends Class {
    #name;

    constructor(ctx, env) {
      const { storage, env: wrapped } = wrap(ctx, env, ctx.id.name);
      const context = new Proxy(ctx, {
        get(_, member) {
          if (member === "storage") return storage;
          const value = Reflect.get(ctx, member, ctx);
          return typeof value === "function" ? value.bind(ctx) : value;
        },
      });
      super(ctx, wrapped, context);
      this.#name = ctx.id.name;
      planOf(this.#name).made += 1;
    }

    testEvict() {
      this.ctx.abort(TORN);
    }

    /// Everything that it stored is lost.
    async testLose() {
      await this.ctx.storage.deleteAlarm();
      await this.ctx.storage.deleteAll();
      await this.ctx.storage.sync();
      this.ctx.abort(TORN);
    }

    testAlarm() {
      return this.alarm();
    }

    testPlan(change) {
      return Object.assign(planOf(this.#name), change).passed;
    }
  };
}

/// A clock that tests move, and a cache that loses what they say (the share of calls that find nothing,
/// keep nothing or fail) and takes its time (milliseconds at most, before a call and after it).
const clock = { moved: 0 };
const realNow = Date.now;
Date.now = () => realNow() + clock.moved;

const cache = { lost: 0, slow: 0 };
const realCaches = globalThis.caches;
Object.defineProperty(globalThis, "caches", { configurable: true, value: { open: async (name) => flawed(await realCaches.open(name)) } });

function flawed(real) {
  const lost = () => {
    if (Math.random() >= cache.lost) return false;
    if (Math.random() < 0.5) throw new Error("a failure of the cache that a test asked for");
    return true;
  };
  const slowly = async (call) => {
    if (cache.slow > 0) await scheduler.wait(Math.random() * cache.slow);
    const done = await call();
    if (cache.slow > 0) await scheduler.wait(Math.random() * cache.slow);
    return done;
  };
  return {
    match: (url) => slowly(() => (lost() ? undefined : real.match(url))),
    put: (url, response) => slowly(() => (lost() ? undefined : real.put(url, response))),
    delete: (url) => slowly(() => (lost() ? false : real.delete(url))),
  };
}

export class TidelogObject extends testable(production.TidelogObject) {}
export class TidelogTable extends testable(production.TidelogTable) {}
export class TidelogRegistry extends testable(production.TidelogRegistry) {}
export class TidelogCatalog extends testable(production.TidelogCatalog) {}

const KINDS = { object: "OBJECT", table: "TABLE", registry: "REGISTRY", catalog: "CATALOG" };

export default class Tidelog extends production.default {
  async fetch(request) {
    const url = new URL(request.url);
    if (!url.pathname.startsWith("/test/")) return super.fetch(request);
    const actor = url.searchParams.get("actor");
    // How many instances there were; the actor is not woken to tell.
    if (url.pathname === "/test/made") return Response.json(planOf(actor).made);
    if (url.pathname === "/test/clock") {
      clock.moved += Number(url.searchParams.get("by"));
      return new Response(null, { status: 204 });
    }
    if (url.pathname === "/test/cache") {
      for (const flaw of ["lost", "slow"]) cache[flaw] = Number(url.searchParams.get(flaw) ?? cache[flaw]);
      return new Response(null, { status: 204 });
    }
    const namespace = this.env[KINDS[actor.split("/")[1]]];
    const stub = namespace.get(namespace.idFromName(actor));
    try {
      switch (url.pathname) {
        case "/test/evict":
          await stub.testEvict();
          break;
        case "/test/lose":
          await stub.testLose();
          break;
        case "/test/alarm":
          await stub.testAlarm();
          break;
        case "/test/trap":
          await stub.testPlan({ trap: true });
          break;
        case "/test/break":
          await stub.testPlan({ left: Number(url.searchParams.get("at")), passed: 0 });
          break;
        case "/test/passed":
          return Response.json(await stub.testPlan({}));
        default:
          return new Response("no such test route\n", { status: 404 });
      }
    } catch (error) {
      if (!String(error).includes(TORN)) throw error;
    }
    return new Response(null, { status: 204 });
  }
}
