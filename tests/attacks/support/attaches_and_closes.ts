/**
 * Attaches like `attaches.ts`, then closes its worker.
 *
 * @module
 */

import "./attaches.ts";

// The message is on its way before the worker ends.
setTimeout(() => {
  const close: unknown = Reflect.get(globalThis, "close");
  if (typeof close === "function") Reflect.apply(close, globalThis, []);
}, 50);
