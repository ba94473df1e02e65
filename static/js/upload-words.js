// The data that an upload sends to the API, and the texts that it shows to users.

const UNITS = ["bytes", "KB", "MB", "GB"];

/**
 * Return the request body that announces a file to the API before it is sent. An empty input means that nothing was
 * chosen, so the body leaves it out.
 *
 * @param {FormData} data the form, whose fields apply to all files
 * @param {{ name: string, size: number }} file
 */
export function uploadRequest(data, { name, size }) {
  const metadata = Object.fromEntries(
    [...data].filter(([key, value]) => key.startsWith("m.") && value).map(([key, value]) => [key.slice(2), value]),
  );
  const language = data.get("language");
  const level = data.get("access_level");
  return {
    ...{ name, sizeBytes: size, metadata },
    ...(language ? { language } : {}),
    ...(level ? { accessLevel: Number(level) } : {}),
  };
}

/**
 * Format a size in bytes for users.
 *
 * @param {number} bytes
 */
export function formatSize(bytes) {
  if (bytes === 1) return "1 byte";
  const power = bytes ? Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1) : 0;
  return `${(bytes / 1024 ** power).toFixed(power > 1 ? 1 : 0)} ${UNITS[power]}`;
}

/**
 * Return the first sentence of an error response of the API: {"detail": "..."} or {"field": ["..."]}.
 *
 * @param {unknown} body
 */
export function errorMessage(body) {
  const [first] = Object.values(body ?? {}).flat();
  return typeof first === "string" ? first : undefined;
}

/**
 * Return whether an error response is about the file itself, and not about the other inputs of the form.
 *
 * @param {object | null} body
 */
export function isAboutFile(body) {
  return body !== null && ["file", "name"].some((field) => Object.hasOwn(body, field));
}
