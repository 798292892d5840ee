// Checks that the JSON schema (for editors) and the broker's policy reader accept and refuse the same
// policies.

import { assert, assertEquals } from "@std/assert";
import { type JsonValue, SkepError } from "../../errors/skep_error.ts";
import { Delegation } from "../../plan/delegation.ts";
import schemaJson from "./policy.schema.json" with { type: "json" };
import { readPolicy } from "./policy.ts";

type JsonObject = { readonly [key: string]: JsonValue };

/** The parts of JSON Schema that the schema uses; any other is an error of this test. */
const KNOWN = new Set([
  ...["$schema", "title", "description", "default", "$defs", "$ref", "type", "const", "enum"],
  ...["properties", "additionalProperties", "required", "minProperties", "anyOf", "oneOf", "allOf"],
  ...[
    "items",
    "minItems",
    "contains",
    "minimum",
    "maximum",
    "minLength",
    "pattern",
    "if",
    "then",
    "not",
  ],
]);

function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function object(json: JsonValue | undefined): JsonObject {
  assert(isObject(json));
  return json;
}

function list(json: JsonValue | undefined): readonly JsonValue[] {
  assert(Array.isArray(json));
  return json;
}

const schema = object(schemaJson);

function typeOf(json: JsonValue): string {
  if (json === null) return "null";
  if (Array.isArray(json)) return "array";
  return typeof json === "number" && Number.isInteger(json) ? "integer" : typeof json;
}

const equal = (a: JsonValue, b: JsonValue): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Returns whether a value is valid against a schema. */
function valid(rule: JsonValue, value: JsonValue): boolean {
  if (typeof rule === "boolean") return rule;
  const part = object(rule);
  return Object.entries(part).every(([key, says]) => {
    assert(KNOWN.has(key), `the test does not know "${key}"`);
    return holds(part, key, says, value);
  });
}

function holds(part: JsonObject, key: string, says: JsonValue, value: JsonValue): boolean {
  switch (key) {
    case "$ref": {
      const [, name = ""] = /^#\/\$defs\/(\w+)$/.exec(String(says)) ?? [];
      return valid(object(schema["$defs"])[name] ?? false, value);
    }
    case "type":
      return says === typeOf(value) || (says === "number" && typeOf(value) === "integer");
    case "const":
      return equal(says, value);
    case "enum":
      return list(says).some((each) => equal(each, value));
    case "anyOf":
      return list(says).some((each) => valid(each, value));
    case "allOf":
      return list(says).every((each) => valid(each, value));
    case "oneOf":
      return list(says).filter((each) => valid(each, value)).length === 1;
    case "not":
      return !valid(says, value);
    case "if":
      return !valid(says, value) || valid(part["then"] ?? true, value);
    case "minimum":
      return typeof value !== "number" || value >= Number(says);
    case "maximum":
      return typeof value !== "number" || value <= Number(says);
    case "minLength":
      return typeof value !== "string" || value.length >= Number(says);
    case "pattern":
      return typeof value !== "string" || new RegExp(String(says)).test(value);
    case "items":
      return !Array.isArray(value) || list(value).every((each) => valid(says, each));
    case "contains":
      return !Array.isArray(value) || list(value).some((each) => valid(says, each));
    case "minItems":
      return !Array.isArray(value) || value.length >= Number(says);
    case "required":
      return !isObject(value) || list(says).every((name) => Object.hasOwn(value, String(name)));
    case "minProperties":
      return !isObject(value) || Object.keys(value).length >= Number(says);
    case "properties":
      return !isObject(value) || Object.entries(object(says)).every(([name, each]) => {
        const found = Object.hasOwn(value, name) ? value[name] : undefined;
        return found === undefined || valid(each, found);
      });
    case "additionalProperties": {
      const known = object(part["properties"] ?? {});
      return !isObject(value) || says !== false ||
        Object.keys(value).every((name) => Object.hasOwn(known, name));
    }
    default:
      return true;
  }
}

/** Returns the reader's error, or undefined when it accepts the policy. */
function refusal(json: JsonValue): string | undefined {
  try {
    readPolicy(json, "policy.json", () => Delegation.of({ maps: ["hash"] }));
    return undefined;
  } catch (error) {
    assert(error instanceof SkepError, String(error));
    return error.why;
  }
}

/** Builds a policy that has every property of the schema, from the schema. */
function example(rule: JsonValue, name = ""): JsonValue {
  const part = object(rule);
  if (part["const"] !== undefined) return part["const"];
  if (part["enum"] !== undefined) return list(part["enum"]).at(-1) ?? null;
  if (typeof part["$ref"] === "string") {
    const definition = /^#\/\$defs\/(\w+)$/.exec(part["$ref"])?.[1] ?? "";
    if (definition === "words") return [words[name] ?? "hash"];
    return example(object(schema["$defs"])[definition] ?? null, name);
  }
  switch (part["type"]) {
    case "object":
      return Object.fromEntries(
        Object.entries(object(part["properties"]))
          .filter(([, each]) => !equal(object(each)["not"] ?? null, {}))
          .map(([key, each]) => [key, example(each, key)]),
      );
    case "array":
      return [example(part["items"] ?? null, name)];
    case "integer":
      return 7;
    case "boolean":
      return true;
    default:
      return "/text";
  }
}

const words: { readonly [set: string]: string } = {
  commands: "prog_load",
  maps: "hash",
  programs: "xdp",
  attachments: "xdp",
};

/** Values to substitute in every place. */
const others: readonly JsonValue[] = [
  ...[null, true, false, 0, 1, 2, -1, 1.5, 100_000, 100_001, 2 ** 32 - 1, 2 ** 32, 2 ** 53],
  ...["", "text", "/path", "any", "host", "own-sockets", [], {}, [1], ["hash"], [null], { a: 1 }],
];

/** Returns every policy that differs from a valid one in one place. */
function* changed(json: JsonValue, place = ""): Generator<readonly [string, JsonValue]> {
  // The schema does not check which names the kernel has.
  const isName = /\.delegate\.\w+\[\d+\]$/.test(place);
  for (const other of others) {
    const names = Array.isArray(other) ? other : [other];
    const list = /\.delegate\.\w+$/.test(place) && names.some((name) => typeof name === "string");
    if (!(isName && typeof other === "string") && !(list && Array.isArray(other))) {
      yield [`${place} = ${JSON.stringify(other)}`, other];
    }
  }
  if (Array.isArray(json)) {
    for (const [index, each] of json.entries()) {
      for (const [what, value] of changed(each, `${place}[${index}]`)) {
        yield [what, json.with(index, value)];
      }
    }
    yield [`${place} twice`, [...json, ...json]];
  } else if (isObject(json)) {
    yield [`${place} with more`, { ...json, more: 1 }];
    // JSON.parse and @std/jsonc create `__proto__` as an own property.
    yield [
      `${place} with __proto__`,
      JSON.parse(`{"__proto__":1,${JSON.stringify(json).slice(1)}`),
    ];
    for (const [key, each] of Object.entries(json)) {
      const { [key]: _, ...without } = json;
      yield [`${place} without ${key}`, without];
      for (const [what, value] of changed(each, `${place}.${key}`)) {
        yield [what, { ...json, [key]: value }];
      }
    }
  }
}

Deno.test("the policy's schema and its reader agree about every policy", () => {
  const whole = example(schema);
  assertEquals([valid(schema, whole), refusal(whole)], [true, undefined]);
  const wrong: string[] = [];
  let refused = 0;
  let count = 0;
  let trusts = 0;
  for (const [what, policy] of changed(whole)) {
    count++;
    const why = refusal(policy);
    if (why !== undefined) refused++;
    // The schema does not check whether a number or an object grants prog_load.
    if (valid(schema, policy) && /is not needed: the rule grants no prog_load$/.test(why ?? "")) {
      trusts++;
    } else if (valid(schema, policy) !== (why === undefined)) {
      wrong.push(`${what}: the reader says ${why ?? "yes"}`);
    }
  }
  assertEquals(wrong, []);
  assert(refused > 300 && count - refused > 20, `${count} policies, ${refused} refused`);
  assert(trusts > 0 && trusts < 10, `${trusts} where the schema cannot know`);
});

Deno.test("the policy's schema tells the reader's defaults", () => {
  const { rules: _, limits: __, ...rest } = object(example(schema));
  const { limits } = readPolicy({ ...rest, rules: [] }, "policy.json", () => Delegation.none);
  const told = object(object(object(object(schema["properties"])["limits"])["properties"]));
  assertEquals(
    { ...limits },
    Object.fromEntries(Object.entries(told).map(([name, each]) => [name, object(each)["default"]])),
  );
});
