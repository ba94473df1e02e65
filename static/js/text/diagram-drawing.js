// Asks the frame that draws diagrams, one after another. It is made when the first diagram occurs, and again after one that
// took too long.

const OPENS_WITHIN_MS = 60000; // the frame loads some megabytes
const DRAWS_WITHIN_MS = 15000;

/** @import { Drawing } from "./diagram-picture.js" */
/** @typedef {Drawing & { error?: string }} Reply */

/** @type {Promise<HTMLIFrameElement> | null} */
let frame = null;
/** @type {Promise<unknown>} */
let last = Promise.resolve();

/**
 * Return the drawing of a diagram. Throws a SyntaxError if it is none, and an Error if it takes too long.
 *
 * @param {string} text
 * @param {"default" | "dark"} theme
 * @returns {Promise<Drawing>}
 */
export function drawSource(text, theme) {
  const drawing = last.then(() => ask(text, theme));
  last = drawing.catch(() => null);
  return drawing;
}

/**
 * @param {string} text
 * @param {string} theme
 */
async function ask(text, theme) {
  frame ??= openFrame();
  try {
    const { contentWindow } = await frame;
    const reply = nextReply(contentWindow, DRAWS_WITHIN_MS);
    contentWindow?.postMessage({ text, theme }, "*"); // the frame has no origin that could be named
    const drawing = await reply;
    if (drawing.error) throw new SyntaxError(drawing.error);
    return drawing;
  } catch (error) {
    if (!(error instanceof SyntaxError)) closeFrame();
    throw error;
  }
}

async function openFrame() {
  const element = document.createElement("iframe");
  element.className = "diagram-frame";
  element.title = "Draws diagrams";
  element.inert = true;
  element.ariaHidden = "true";
  element.setAttribute("sandbox", "allow-scripts");
  element.src = "/diagram/";
  document.body.append(element);
  await nextReply(element.contentWindow, OPENS_WITHIN_MS);
  return element;
}

function closeFrame() {
  for (const each of document.querySelectorAll(".diagram-frame")) each.remove();
  frame = null;
}

/**
 * Return the next message of the frame.
 *
 * @param {Window | null} sender
 * @param {number} within ms
 * @returns {Promise<Reply>}
 */
function nextReply(sender, within) {
  return new Promise((resolve, reject) => {
    /** @param {MessageEvent<Reply>} message */
    const receive = ({ data, source }) => {
      if (source !== sender) return;
      stop();
      resolve(data);
    };
    const stop = () => {
      clearTimeout(timer);
      removeEventListener("message", receive);
    };
    const timer = setTimeout(() => {
      stop();
      reject(new Error("This diagram took too long to draw"));
    }, within);
    addEventListener("message", receive);
  });
}
