// `node types.mjs PROGRAM`: writes the client's types from what the server says of itself at /openapi.json.
// What is written is committed; the client's tests write it again and compare.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startServer } from "./tests/lib.mjs";

/** Where they are kept. */
export const TYPES = fileURLToPath(new URL("client/src/api.ts", import.meta.url));

const REF = "#/components/schemas/";

/** Write TypeScript for everything that the public side takes or answers as JSON. */
export function typesOf(document) {
  const { schemas } = document.components;
  const wanted = new Set(["Problem"]);
  const routes = [];
  const named = (content) => content?.["application/json"]?.schema?.$ref?.slice(REF.length);
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (!operation.tags.includes("public")) continue;
      const request = named(operation.requestBody?.content);
      const answers = Object.values(operation.responses).map((response) => named(response.content)).filter(Boolean);
      if (!request && !answers.length) continue;
      const answer = [...new Set(answers)].join(" | ") || "undefined";
      [request, ...answers].filter(Boolean).forEach((name) => wanted.add(name));
      routes.push(`  /** ${operation.summary}. */\n  "${method.toUpperCase()} ${path}": { request: ${request ?? "undefined"}; answer: ${answer} };`);
    }
  }
  // What they are made of, too: a set that grows while it is walked.
  for (const name of wanted) {
    for (const [, part] of JSON.stringify(schemas[name]).matchAll(/"#\/components\/schemas\/(\w+)"/g)) wanted.add(part);
  }
  const shapes = [...wanted].sort().map((name) => `export interface ${name} ${typeOf(schemas[name], "")}\n`);
  return [
    "// Written by `node types.mjs PROGRAM` in web/ from the server's own /openapi.json. Do not edit.\n",
    ...shapes,
    `/** What each public route takes and answers. */\nexport interface Routes {\n${routes.sort().join("\n")}\n}\n`,
  ].join("\n");
}

function typeOf(schema, indent) {
  if (schema.$ref) return schema.$ref.slice(REF.length);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, indent)).join(" | ");
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type }, indent)).join(" | ");
  switch (schema.type) {
    case "integer":
    case "number":
      return "number";
    case "boolean":
    case "null":
    case "string":
      return schema.type;
    case "array": {
      const item = schema.items ? typeOf(schema.items, indent) : "unknown";
      return /[ |]/.test(item) ? `Array<${item}>` : `${item}[]`;
    }
    case "object": {
      const { properties, required = [] } = schema;
      if (!properties) return "Record<string, unknown>";
      const inner = `${indent}  `;
      const fields = Object.entries(properties).map(([name, field]) => `${inner}${name}${required.includes(name) ? "" : "?"}: ${typeOf(field, inner)};`);
      return `{\n${fields.join("\n")}\n${indent}}`;
    }
    default:
      return "unknown";
  }
}

/** Return what the committed file should be. */
export async function typesFrom(server) {
  const answer = await fetch(`${server.admin}/openapi.json`, { headers: { authorization: `Bearer ${server.token}` } });
  return typesOf(await answer.json());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await startServer(process.argv[2]);
  try {
    writeFileSync(TYPES, await typesFrom(server));
  } finally {
    await server.stop();
  }
}
