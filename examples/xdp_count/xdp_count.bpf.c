// SPDX-License-Identifier: MIT
// Counts packets and bytes by Ethernet protocol, with one counter per CPU to avoid contention.
#include "bpf.h"

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

struct xdp_md {
	__u32 data;
	__u32 data_end;
};

enum { XDP_PASS = 2 };

struct ethhdr {
	__u8 destination[6];
	__u8 source[6];
	__be16 protocol;
};

enum slot { SLOT_IPV4, SLOT_IPV6, SLOT_OTHER, SLOTS };

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

SEC("xdp")
int count(struct xdp_md *context)
{
	void *data = (void *)(long)context->data;
	void *end = (void *)(long)context->data_end;
	struct ethhdr *header = data;
	struct counter *counter;
	__u32 slot = SLOT_OTHER;

	if ((void *)(header + 1) <= end) {
		__u16 protocol = bpf_ntohs(header->protocol);

		if (protocol == ETH_P_IP)
			slot = SLOT_IPV4;
		else if (protocol == ETH_P_IPV6)
			slot = SLOT_IPV6;
	}
	counter = bpf_map_lookup_elem(&counters, &slot);
	if (counter) {
		counter->packets += 1;
		counter->bytes += end - data;
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
