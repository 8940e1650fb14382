// Fills of one document that cross on their way into a slow cache: whichever arrives last, the newest
// state of the object that any of them has seen is what the cache answers with afterwards.

import { below, pause } from "./chance.mjs";
import { sequenceOf } from "./object.mjs";

const DOCUMENT = "plain/crossed";
const SLOW_MILLIS = 40;

/** What went wrong, round by round. */
export async function crossings(object, rounds) {
  const failures = [];
  await object.test("cache", `&lost=0&slow=${SLOW_MILLIS}`);
  for (let round = 0; round < rounds; round += 1) {
    const fills = [];
    for (let fill = 0; fill < 5; fill += 1) {
      const { offset } = (await object.ask("PUT", DOCUMENT, { n: round * 10 + fill })).json();
      const terms = new URLSearchParams({ consistency: "warm", atLeast: offset });
      fills.push(object.ask("GET", `${DOCUMENT}?${terms}`));
      await pause(below(15));
    }
    const seen = (await Promise.all(fills)).map((answer) => sequenceOf(answer.header("tidelog-offset")));
    const after = await object.ask("GET", `${DOCUMENT}?consistency=warm`);
    const [how, at] = [after.header("tidelog-cache"), sequenceOf(after.header("tidelog-offset"))];
    if (how !== "hit" || at < Math.max(...seen)) failures.push(`round ${round}: a ${how} at ${at} after fills at ${seen}`);
  }
  await object.test("cache", "&slow=0");
  return failures;
}
