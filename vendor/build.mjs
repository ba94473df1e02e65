// Builds static/vendor/ from the packages that package.json pins: make vendor.

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = join(HERE, "..", "static", "vendor");
const packages = JSON.parse(await readFile(join(HERE, "package-lock.json"), "utf8")).packages;

/** @param {string} name */
const version = (name) => packages[`node_modules/${name}`].version;

/**
 * Build a module of a package, and put the licences of all packages that came into it in front.
 *
 * @param {string} name
 */
async function buildModule(name) {
  const entry = join(HERE, "entries", `${name}.js`);
  const alias = { entities: "entities/lib/decode.js" }; // markdown-it only decodes
  const options = { alias, bundle: true, format: "esm", minify: true, target: "es2022", legalComments: "none" };
  const { metafile, outputFiles } = await build({ ...options, entryPoints: [entry], metafile: true, write: false });
  const used = new Set();
  for (const [path, { bytesInOutput }] of Object.entries(Object.values(metafile.outputs)[0].inputs)) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules)/.exec(path);
    if (found && bytesInOutput) used.add(found[1]);
  }
  await writeFile(join(OUT, `${name}.js`), `${await notice(used)}${outputFiles[0].text}`);
}

/** @param {Iterable<string>} names */
async function notice(names) {
  const parts = [...names].sort().map(async (name) => {
    const licence = await readFile(join(HERE, "node_modules", name, "LICENSE"), "utf8").catch(() => "");
    return `${name} ${version(name)}\n\n${licence.trim() || packages[`node_modules/${name}`].license}`;
  });
  return `/*!\n${(await Promise.all(parts)).join("\n\n").replaceAll("*/", "* /")}\n*/\n`;
}

async function copyKatexStyles() {
  const from = join(HERE, "node_modules", "katex", "dist");
  const styles = await readFile(join(from, "katex.min.css"), "utf8");
  const onlyWoff2 = styles.replaceAll(/,url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)/g, "");
  // In a layer, so that our styles come after it
  await writeFile(join(OUT, "katex.css"), `${await notice(["katex"])}@layer base {\n${onlyWoff2}\n}\n`);
  await cp(join(from, "fonts"), join(OUT, "fonts"), {
    recursive: true,
    filter: (source) => !/\.(?:woff|ttf)$/.test(source),
  });
}

async function copyMermaid() {
  const built = await readFile(join(HERE, "node_modules", "mermaid", "dist", "mermaid.min.js"), "utf8");
  await writeFile(join(OUT, "mermaid.js"), `${await notice(["mermaid"])}${built}`);
}

await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });
await cp(join(HERE, "types"), OUT, { recursive: true }); // beside the modules, where tsc looks for them
await Promise.all([...["markdown-it", "katex", "code-languages"].map(buildModule), copyKatexStyles(), copyMermaid()]);
