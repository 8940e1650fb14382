// What both hosts are started with: events move to the lake soon, so that a case that waits for a
// flush by age does not wait long.

export const PUSH_MILLIS = 20;
export const FLUSH_MILLIS = 300;

/** What administrators show. */
export const ADMIN_TOKEN = "0123456789abcdef-administrator";
