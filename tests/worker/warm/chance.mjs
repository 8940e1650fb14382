// Repeatable choices: `TIDELOG_SEED=n` repeats those of a run.

export const seed = Number(process.env.TIDELOG_SEED ?? Date.now() % 1_000_000);
let state = seed;

export function below(n) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
}

export const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
