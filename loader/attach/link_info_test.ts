import { assertEquals } from "@std/assert";
import { LinkType } from "../../uapi/enums.ts";
import { parseLinkInfo } from "./link_info.ts";

function info(type: number, ...words: readonly number[]): Uint8Array {
  return new Uint8Array(new Uint32Array([type, 7, 8, 0, ...words]).buffer);
}

Deno.test("parseLinkInfo reads the fields of each kind", () => {
  assertEquals(parseLinkInfo(info(LinkType.tcx, 3, 46)), {
    type: "tcx",
    typeNumber: LinkType.tcx,
    id: 7,
    programId: 8,
    attachType: "tcx_ingress",
    details: { ifindex: 3 },
  });
  assertEquals(parseLinkInfo(info(LinkType.netfilter, 2, 1, 0xffffffff, 0)).details, {
    pf: 2,
    hooknum: 1,
    priority: -1,
    flags: 0,
  });
  assertEquals(parseLinkInfo(info(LinkType.cgroup, 5, 1, 22)).details, {
    cgroup_id: 0x1_0000_0005n,
  });
  const perf = parseLinkInfo(info(LinkType.perf_event, 3, 0, 0, 0, 4, 16, 9, 0, 0, 0, 6));
  assertEquals(perf.details["perf_event_type"], 3);
  assertEquals(perf.details["offset"], 16);
  assertEquals(perf.details["cookie"], 6n);
});

Deno.test("parseLinkInfo keeps the number of an unknown link type or attach type", () => {
  assertEquals(parseLinkInfo(info(999)).type, "unknown");
  assertEquals(parseLinkInfo(info(999)).typeNumber, 999);
  assertEquals(parseLinkInfo(info(LinkType.netns, 1, 4000)).attachType, 4000);
});

Deno.test("parseLinkInfo reads fields missing in older kernels as zero", () => {
  assertEquals(parseLinkInfo(info(LinkType.xdp)).details, { ifindex: 0 });
});
