// Stands in for `jsr:@std/assert@^1` where JSR cannot be reached: npm's deno-std is the same code, and
// the declarations beside this file give back the narrowing that its JSDoc types lose. With JSR at hand,
// the line `"@std/assert": "jsr:@std/assert@^1"` in deno.json replaces this file.
// @ts-types="./assert.d.ts"
export * from "npm:deno-std@1.4.0/assert/mod.js";
