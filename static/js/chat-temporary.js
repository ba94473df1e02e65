// A temporary chat: it lives as long as a page shows it, and ends with the button. Loaded only on its page.

import { find } from "./dom.js";
import { csrfHeaders } from "./http.js";
import { showToast } from "./ui.js";

const SIGN_OF_LIFE_MS = 4 * 60 * 1000; // a temporary chat without one ends after 30 minutes

/**
 * @param {string} sessionId
 * @param {string} action
 */
function post(sessionId, action) {
  return fetch(`/chat/${sessionId}/${action}/`, { method: "POST", headers: csrfHeaders() }).catch(() => null);
}

/**
 * Send signs of life, and connect the button that ends the chat.
 *
 * @param {() => string | null} sessionId null: nothing has been asked yet
 */
export function connectTemporary(sessionId) {
  const sendSign = async () => {
    const id = sessionId();
    const response = id && (await post(id, "alive"));
    if (response && response.status === 404) location.replace("/?ended");
  };
  setInterval(sendSign, SIGN_OF_LIFE_MS);
  document.addEventListener("visibilitychange", () => document.hidden || sendSign()); // timers stop in a hidden tab
  find(document, "[data-end-chat]").addEventListener("click", async () => {
    const id = sessionId();
    const response = id ? await post(id, "delete") : null;
    if (id && !response?.ok && response?.status !== 404) return showToast("The chat has not ended. Try again.");
    location.replace(id ? "/?ended" : "/");
  });
}
