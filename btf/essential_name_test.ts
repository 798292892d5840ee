import { assertEquals } from "@std/assert";
import { essentialName } from "./essential_name.ts";

Deno.test("essentialName cuts at the last ___ between other characters", () => {
  for (
    const [name, essential] of [
      ["task_struct", "task_struct"],
      ["task_struct___old", "task_struct"],
      ["a___b___c", "a___b"],
      ["___x", "___x"],
      ["x___", "x___"],
      ["a____b", "a____b"],
      ["a__b", "a__b"],
      ["a___b____c", "a"],
      ["a___b_", "a"],
      ["_a___b", "_a"],
      ["", ""],
    ]
  ) {
    assertEquals(essentialName(name as string), essential);
  }
});
