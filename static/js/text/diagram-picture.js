// The picture of a diagram: an SVG as the source of an image. There it runs no script and fetches nothing.

import { showToast } from "../ui.js";

const MAX_CHARACTERS = 2_000_000;
const MAX_PIXELS = 6000; // of a side
const SCALE = 2;
const PREFIX = "data:image/svg+xml;charset=utf-8,";
const ACTIVE = /<(?:script|iframe|object|embed|foreignObject)|[\s/"']on\w+\s*=|(?:java|vb)script:|@import/i;

/** @typedef {{ svg: string, width: number, height: number, title: string }} Drawing */

/**
 * Return the picture of a drawing. Throws an Error if it is too large.
 *
 * @param {Drawing} drawing
 */
export function asPicture({ svg, width, height, title }) {
  if (svg.length > MAX_CHARACTERS) throw new Error("This diagram is too large to be shown");
  const picture = document.createElement("img");
  picture.width = Math.ceil(width) || 300;
  picture.height = Math.ceil(height) || 150;
  picture.alt = `Diagram: ${title}`;
  picture.src = PREFIX + encodeURIComponent(svg);
  return picture;
}

/**
 * @param {HTMLImageElement} picture
 * @param {"svg" | "png"} format
 */
export async function savePicture(picture, format) {
  const blob = format === "svg" ? asFile(picture) : await drawPng(picture);
  if (!blob) return showToast(`This diagram cannot be saved as ${format.toUpperCase()}. Choose the other format.`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `diagram.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/**
 * Return the file, null if something in it might run when a browser opens it by itself.
 *
 * @param {HTMLImageElement} picture
 */
function asFile(picture) {
  const svg = decodeURIComponent(picture.src.slice(PREFIX.length));
  return ACTIVE.test(svg) ? null : new Blob([svg], { type: "image/svg+xml" });
}

/**
 * @param {HTMLImageElement} picture
 * @returns {Promise<Blob | null>}
 */
async function drawPng(picture) {
  const canvas = document.createElement("canvas");
  const scale = Math.min(SCALE, MAX_PIXELS / Math.max(picture.width, picture.height));
  canvas.width = picture.width * scale;
  canvas.height = picture.height * scale;
  const context = canvas.getContext("2d");
  if (!context) return null;
  context.fillStyle = getComputedStyle(document.body).backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
