// The page of a printed conversation opens the browser's dialog once all of it has arrived.

import { find } from "./dom.js";

const button = find(document, "[data-print]");
button.hidden = false;
button.addEventListener("click", () => window.print());
window.addEventListener("load", () => window.print(), { once: true });
