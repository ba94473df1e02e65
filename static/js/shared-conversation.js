// The page of a shared conversation: copies and wraps code, and opens the passage of a citation.

import { connectClipboard } from "./chat-clipboard.js";
import { delegateTarget } from "./dom.js";

connectClipboard(document.body);
document.addEventListener("click", (event) => {
  const citation = delegateTarget(event, "a.citation");
  const passage = citation && document.getElementById((citation.getAttribute("href") ?? "").slice(1));
  passage?.closest("details")?.setAttribute("open", "");
});
