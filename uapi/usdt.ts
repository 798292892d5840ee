/**
 * The structs of libbpf's `usdt.bpf.h`, which describe a USDT probe and its arguments to programs.
 *
 * Written by `deno task generate --usdt FOLDER`, once for each version of the header. Do not edit.
 *
 * @module
 */

/** Maximum number of arguments of a probe. */
export const BPF_USDT_MAX_ARG_CNT = 12;
/** `enum __bpf_usdt_arg_type`. */
export const BPF_USDT_ARG_CONST = 0;
/** `enum __bpf_usdt_arg_type`. */
export const BPF_USDT_ARG_REG = 1;
/** `enum __bpf_usdt_arg_type`. */
export const BPF_USDT_ARG_REG_DEREF = 2;
/** `enum __bpf_usdt_arg_type`. */
export const BPF_USDT_ARG_SIB = 3;

/** `struct __bpf_usdt_spec` and `struct __bpf_usdt_arg_spec`: before libbpf 1.7, and since. */
export const usdtLayouts = [
  {
    size: 208,
    argumentSize: 16,
    spec: {
      args: [0, 192],
      usdt_cookie: [192, 8],
      arg_cnt: [200, 2],
    },
    argument: {
      val_off: [0, 8],
      arg_type: [8, 4],
      reg_off: [12, 2],
      arg_signed: [14, 1],
      arg_bitshift: [15, 1],
    },
  },
  {
    size: 304,
    argumentSize: 24,
    spec: {
      args: [0, 288],
      usdt_cookie: [288, 8],
      arg_cnt: [296, 2],
    },
    argument: {
      val_off: [0, 8],
      arg_type: [8, 4, 0, 8],
      idx_reg_off: [10, 2, 0, 12],
      scale_bitshift: [10, 2, 12, 4],
      reg_off: [14, 2],
      arg_signed: [16, 1],
      arg_bitshift: [17, 1],
    },
  },
] as const;
