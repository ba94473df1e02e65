// The kinds of events in the log of an answer. types/events.d.ts declares their data.

/** @type {Record<TerminalKind, true>} */
const TERMINAL = { finished: true, stopped: true, failed: true };

/**
 * Return whether an event of this kind is the last one of its answer.
 *
 * @param {string} kind
 */
export function isTerminal(kind) {
  return Object.hasOwn(TERMINAL, kind);
}
