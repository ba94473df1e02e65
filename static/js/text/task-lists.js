// Task lists: see chat/pages/grammar/task_lists.py.

/** @import { StateCore } from "../../vendor/markdown-it.js" */
/** @import MarkdownIt from "../../vendor/markdown-it.js" */

/** @param {MarkdownIt} markdown */
export function addTaskLists(markdown) {
  markdown.core.ruler.after("inline", "task_lists", addBoxes);
}

/** @param {StateCore} state */
function addBoxes({ tokens, Token }) {
  tokens.forEach((item, at) => {
    const inline = tokens[at + 2];
    if (item.type !== "list_item_open" || tokens[at + 1]?.type !== "paragraph_open" || !inline?.children) return;
    const [first] = inline.children;
    const box = first?.type === "text" ? /^\[([ xX])\](?=\s)/.exec(first.content) : null;
    if (!first || !box) return;
    first.content = first.content.slice(box[0].length);
    item.attrs = [...(item.attrs ?? []), ["class", "is-task"]];
    const token = new Token("task", "span", 0);
    token.content = box[1] === " " ? "☐" : "☑";
    inline.children.unshift(token);
  });
}
