// Where two transcripts part.

const LINES_BEFORE = 12;
const LINES_AFTER = 6;
const LINE_CHARS = 400;

/** The first difference of two texts, with the request it belongs to. */
export function firstDifference(one, two) {
  const [first, second] = [one.split("\n"), two.split("\n")];
  const at = first.findIndex((line, index) => line !== second[index]);
  const place = at === -1 ? first.length : at;
  const request = first.slice(0, place + 1).findLastIndex((line) => /^> [A-Z]/.test(line));
  const from = Math.max(0, Math.min(Math.max(request, place - 40), place - LINES_BEFORE));
  const side = (sign, lines) => lines.slice(place, place + LINES_AFTER).map((line) => `${sign} ${clipped(line)}`);
  return [
    `  line ${place + 1}:`,
    ...first.slice(from, place).map((line) => `    ${clipped(line)}`),
    ...side("  -", first),
    ...side("  +", second),
  ].join("\n");
}

function clipped(line) {
  return line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS)}...` : line;
}
