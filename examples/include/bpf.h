/* SPDX-License-Identifier: MIT
 *
 * The little that the examples need from a BPF header, written for them: integer types, section and
 * map macros, the helpers they call (by number, as in enum bpf_func_id of the kernel's uapi), and
 * the CO-RE questions. Kernel types are declared in each example, with the fields it reads only:
 * the loader relocates them by name to where the running kernel has them.
 */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef int __s32;
typedef __u16 __be16;
typedef __u32 __be32;

#define SEC(name) __attribute__((section(name), used))
#define __noinline __attribute__((noinline))

/* A field access through a type with this attribute becomes a CO-RE relocation. */
#define KERNEL_TYPE __attribute__((preserve_access_index))

/* BTF-defined maps: the value of a key is the size of an array, the type of a key a pointer. */
#define __uint(name, value) int(*name)[value]
#define __type(name, type) typeof(type) *name

/* Which struct a ring buffer carries. Loaders that know the tag decode records by it. clang describes
 * only types that functions, maps and global variables have, not those of local variables alone: a
 * function that is not inlined and takes the struct is enough. */
#if __has_attribute(btf_decl_tag)
#define EVENT_TYPE(name) __attribute__((btf_decl_tag("event_type:" #name)))
#else
#define EVENT_TYPE(name)
#endif

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
};

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static __u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static __u64 (*const bpf_get_current_uid_gid)(void) = (void *)15;
static long (*const bpf_get_current_comm)(void *into, __u32 size) = (void *)16;
static long (*const bpf_probe_read_kernel_str)(void *into, __u32 size, const void *from) =
	(void *)115;
static void *(*const bpf_ringbuf_reserve)(void *map, __u64 size, __u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *record, __u64 flags) = (void *)132;

/* Does the running kernel have this field? Decided when the program is loaded. */
#define bpf_core_field_exists(field) __builtin_preserve_field_info(field, 2)

/* The arguments of a tp_btf program are eight-byte slots, one each. */
#define ARGUMENT(context, index, type) ((type)((context)[index]))

#define bpf_ntohs(x) __builtin_bswap16(x)
