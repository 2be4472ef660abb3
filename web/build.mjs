// Builds what the binary embeds: `npm run build`. The result is committed; the test command builds
// again and compares, so that what is served is what can be read.
import { build } from "esbuild";

const shared = { bundle: true, minify: true, legalComments: "none", outdir: process.argv[2] ?? "dist", target: ["es2020"], logLevel: "warning" };
await build({ ...shared, entryPoints: ["drop/drop.ts", "drop/draw.ts", "drop/drop.css"], format: "esm" });
await build({ ...shared, entryPoints: ["console/console.tsx", "console/console.css"], format: "esm", jsx: "automatic", jsxImportSource: "preact" });
