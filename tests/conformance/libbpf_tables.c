// Makes baseline.tsv and baseline-progs.tsv with libbpf on the kernel at hand, for
// `deno task conform --tables FOLDER`. Tags of programs with kfuncs and attach_btf_id hold type ids of the
// kernel, so tables made elsewhere cannot tell about them.
//
//   cc -D_GNU_SOURCE -O1 libbpf_tables.c -lbpf -lelf -lz -o libbpf_tables      (libbpf 1.7 or newer)
//   cut -f1 CORPUS/baseline.tsv | tail -n +2 > names
//   unshare --mount --propagation private sh -c
//     "mount -t bpf bpf /sys/fs/bpf && ./libbpf_tables CORPUS/objs FOLDER < names"
//
// A line of the input may go on after a tab with names of programs to leave out, each followed by a comma:
// those for which the verifier takes minutes.

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PROGRAMS = 4096 };

static char reason[4096];
static int verifier_refused;

// Keeps the last warning as the reason, and notes whether it was a program that was refused.
static int remember(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char text[65536];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), format, arguments);
	if (strstr(text, "BPF program load failed"))
		verifier_refused = 1;
	if (level != LIBBPF_WARN)
		return 0;
	text[strcspn(text, "\n")] = 0;
	for (char *at = text; *at; at++)
		if (*at == '\t')
			*at = ' ';
	snprintf(reason, sizeof(reason), "%s", text);
	return 0;
}

static void forget(void)
{
	reason[0] = 0;
	verifier_refused = 0;
}

static const char *errno_name(int number)
{
	static char text[32];
	const char *name = strerrorname_np(number);

	if (name)
		return name;
	if (number == 524)
		return "ENOTSUPP";
	snprintf(text, sizeof(text), "E%d", number);
	return text;
}

// Objects pin maps by name: the next one must find nothing.
static void clear_pins(const char *folder)
{
	DIR *listing = opendir(folder);
	struct dirent *entry;
	char path[4096];

	if (!listing)
		return;
	while ((entry = readdir(listing))) {
		if (entry->d_name[0] == '.' || strstr(entry->d_name, ".debug"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (unlink(path)) {
			clear_pins(path);
			rmdir(path);
		}
	}
	closedir(listing);
}

// A struct_ops map brings all its programs with it: takes out all but one.
static void keep_only(struct bpf_object *object, struct bpf_program *program)
{
	const struct btf *btf = bpf_object__btf(object);
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		const struct btf_type *type;
		size_t size;
		char *value;

		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		type = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
		if (!type || !btf_is_struct(type))
			continue;
		value = bpf_map__initial_value(map, &size);
		for (int i = 0; i < btf_vlen(type); i++) {
			const struct btf_member *member = btf_members(type) + i;
			size_t offset = member->offset / 8;

			if (!btf_is_ptr(btf__type_by_id(btf, member->type)))
				continue;
			if (offset + sizeof(void *) > size)
				continue;
			if (memcmp(value + offset, &program, sizeof(void *)))
				memset(value + offset, 0, sizeof(void *));
		}
	}
}

static void write_whole(FILE *table, const char *name, const char *path)
{
	int maps = 0, programs = 0, wanted = 0, result;
	struct bpf_program *program;
	struct bpf_object *object;
	struct bpf_map *map;

	forget();
	object = bpf_object__open_file(path, NULL);
	if (!object) {
		int number = errno;

		fprintf(table, "%s\t0\t0\t-%d\t-\t%s\topen\t0\t%s\n", name, number,
			errno_name(number), reason);
		return;
	}
	bpf_object__for_each_map(map, object)
		maps++;
	bpf_object__for_each_program(program, object) {
		wanted += bpf_program__autoload(program);
		programs++;
	}
	forget();
	result = bpf_object__load(object);
	fprintf(table, "%s\t%d\t%d\t0\t%d\t%s\t%s\t%d\t%s\n", name, maps, programs, result,
		result ? errno_name(-result) : "-",
		result ? (verifier_refused ? "program" : "object") : "-", wanted,
		result ? reason : "-");
	bpf_object__close(object);
}

static void write_alone(FILE *table, const char *name, const char *path, int index,
			const char *left_out)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program, *only = NULL;
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	char tag[17] = "-", quoted[256];
	int at = 0, result, autoload = 0;

	if (!object)
		return;
	bpf_object__for_each_program(program, object) {
		if (at == index) {
			only = program;
			autoload = bpf_program__autoload(program);
		}
		bpf_program__set_autoload(program, at++ == index);
	}
	snprintf(quoted, sizeof(quoted), "%s,", bpf_program__name(only));
	if (left_out && strstr(left_out, quoted)) {
		fprintf(table, "%s\t%s\t%s\tfailure\ttimeout\t-\ttimeout\t0\t0\t0\t0\t-\t0\t0\t0\t0\t0\t0\t-\n",
			name, bpf_program__name(only), bpf_program__section_name(only));
		bpf_object__close(object);
		return;
	}
	keep_only(object, only);
	forget();
	result = bpf_object__load(object);
	if (!result && !bpf_obj_get_info_by_fd(bpf_program__fd(only), &info, &size))
		for (int i = 0; i < 8; i++)
			sprintf(tag + 2 * i, "%02x", info.tag[i]);
	fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%d\t%d\t%d\t%zu\t%s\t%u\t%u\t%u\t%u\t%d\t%u\t%s\n",
		name, bpf_program__name(only), bpf_program__section_name(only),
		result ? "failure" : "success", result, result ? errno_name(-result) : "-",
		result ? (verifier_refused ? "program" : "object") : "-", autoload,
		bpf_program__type(only), bpf_program__expected_attach_type(only),
		bpf_program__insn_cnt(only), tag, info.xlated_prog_len, info.nr_map_ids,
		info.nr_func_info, info.nr_line_info, info.btf_id != 0, info.attach_btf_id,
		result ? reason : "-");
	bpf_object__close(object);
}

static int count_programs(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	int count = 0;

	if (!object)
		return 0;
	bpf_object__for_each_program(program, object)
		count++;
	bpf_object__close(object);
	return count < MAX_PROGRAMS ? count : MAX_PROGRAMS;
}

static FILE *table_in(const char *folder, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

int main(int count, char **words)
{
	char line[4096], path[8192];
	FILE *objects, *programs;

	if (count != 3) {
		fprintf(stderr, "usage: libbpf_tables OBJECTS FOLDER < names\n");
		return 2;
	}
	objects = table_in(words[2], "baseline.tsv");
	programs = table_in(words[2], "baseline-progs.tsv");
	fprintf(objects, "object\tn_maps\tn_progs\topen_rc\tload_rc\terrno\tstage\tn_autoload\treason\n");
	fprintf(programs, "object\tprogram\tsection\tverdict\trc\terrno\tstage\tautoload\tprog_type\t"
			  "expected_attach_type\tinsns\ttag\txlated_len\tnr_map_ids\tnr_func_info\t"
			  "nr_line_info\thas_btf\tattach_btf_id\treason\n");
	libbpf_set_print(remember);
	while (fgets(line, sizeof(line), stdin)) {
		char *left_out;

		line[strcspn(line, "\n")] = 0;
		left_out = strchr(line, '\t');
		if (left_out)
			*left_out++ = 0;
		snprintf(path, sizeof(path), "%s/%s", words[1], line);
		if (left_out)
			fprintf(objects, "%s\t0\t0\t0\t-1\t-\ttimeout\t0\t-\n", line);
		else
			write_whole(objects, line, path);
		clear_pins("/sys/fs/bpf");
		for (int i = 0, all = count_programs(path); i < all; i++) {
			write_alone(programs, line, path, i, left_out);
			clear_pins("/sys/fs/bpf");
		}
	}
	return fclose(objects) || fclose(programs);
}
