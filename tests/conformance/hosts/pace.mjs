// How fast both hosts move events to the lake in these tests: soon, so that a case that waits for a
// flush by age does not wait long.

export const PUSH_MILLIS = 20;
export const FLUSH_MILLIS = 300;
