// The title that a model finds after the first answer: it replaces the question's words on the page and in the list.

const LOOK_AFTER_MS = [1000, 2000, 4000, 8000, 16000, 32000]; // each after the one before
const LEAST = 2; // the title may not be in the queue yet when the page looks for the first time

/**
 * Look for the title until the server says that none is being made, and show each new one.
 *
 * @param {string} sessionId
 * @param {(title: string) => void} show
 */
export async function waitForTitle(sessionId, show) {
  for (const [place, pause] of LOOK_AFTER_MS.entries()) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    const response = await fetch(`/chat/${sessionId}/title/`).catch(() => null);
    if (!response?.ok || response.redirected) continue;
    const { title, isDue } = await response.json();
    show(title);
    if (!isDue && place + 1 >= LEAST) return;
  }
}
