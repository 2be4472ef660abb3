// Builds what the binary embeds: `npm run build`. The result is committed; the test command builds
// again and compares, so that what is served is what can be read. `--client` builds the package
// onrush-client into client/dist, which is not committed.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const shared = { absWorkingDir: here, bundle: true, minify: true, legalComments: "none", target: ["es2020"], logLevel: "warning" };

async function pages(outdir) {
  const drop = ["drop/drop.ts", "drop/check.ts", "drop/draw.ts", "drop/drop.css"];
  await build({ ...shared, outdir, entryPoints: drop, format: "esm" });
  const own = ["console/console.tsx", "console/console.css"];
  await build({ ...shared, outdir, entryPoints: own, format: "esm", jsx: "automatic", jsxImportSource: "preact" });
}

async function client() {
  const whole = { ...shared, minify: false, outdir: "client/dist" };
  await build({ ...whole, entryPoints: ["client/src/index.ts", "client/src/test.ts"], format: "esm" });
  await build({ ...whole, entryPoints: ["client/src/index.ts"], format: "cjs", outExtension: { ".js": ".cjs" } });
  execFileSync("npx", ["tsc", "-p", "client", "--noEmit", "false", "--emitDeclarationOnly", "--declaration", "--outDir", "client/dist"], { cwd: here, stdio: "inherit" });
}

const [given] = process.argv.slice(2);
await (given === "--client" ? client() : pages(given ?? "dist"));
