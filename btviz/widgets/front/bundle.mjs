// Bundles the views into the files that are shipped, and notes what they were made of, so that a test can tell
// without node whether they are up to date. Elsewhere than into bundles/: node bundle.mjs FOLDER

import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const FOLDER = process.argv[2] ?? join(HERE, "bundles");
const VIEWS = {
  chart: "chart/chart.js",
  explore: "explore/explore.js",
  livemap: "plain/livemap.js",
  map: "map/map.js",
  pairs: "inspector/pairs.js",
  preferences: "inspector/preferences.js",
  progress: "plain/progress.js",
  review: "review/review.js",
  table: "plain/table.js",
};
const MADE_WITH = ["bundle.mjs", "package-lock.json"]; // the lock says which esbuild

await build({
  absWorkingDir: join(HERE, "src"),
  entryPoints: VIEWS,
  outdir: FOLDER,
  bundle: true,
  format: "esm",
  target: ["chrome116", "firefox124", "safari17.4"], // the first that have what anywidget and the views call
  minify: true,
  charset: "utf8",
  legalComments: "none",
});

const sources = (await readdir(join(HERE, "src"), { recursive: true }))
  .filter((name) => name.endsWith(".js") || name.endsWith(".css"))
  .map((name) => `src/${name.replaceAll("\\", "/")}`);
const bundles = Object.keys(VIEWS).flatMap((view) => [`${view}.css`, `${view}.js`]);

const digest = async (path) =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
const lines = await Promise.all([
  ...[...sources, ...MADE_WITH].sort().map(async (name) => `${await digest(join(HERE, name))}  ${name}`),
  ...bundles.sort().map(async (name) => `${await digest(join(FOLDER, name))}  bundles/${name}`),
]);
// As sha256sum -c reads it, in the folder of this file.
await writeFile(join(FOLDER, "SHA256SUMS"), `${lines.join("\n")}\n`);
