/**
 * Netlink: messages, links, XDP, traffic control, netfilter.
 *
 * Names and numbers come from the headers of Linux and libc, and are the same on x86-64 and aarch64.
 *
 * Written by `deno task generate --headers FOLDER`. Do not edit.
 *
 * @module
 */

/** `linux/netlink.h`. */
export const NETLINK_ROUTE = 0;
/** `linux/netlink.h`. */
export const NETLINK_EXT_ACK = 11;
/** `linux/netlink.h`. */
export const NLM_F_REQUEST = 1;
/** `linux/netlink.h`. */
export const NLM_F_ACK = 4;
/** `linux/netlink.h`. */
export const NLM_F_ECHO = 0x8;
/** `linux/netlink.h`. */
export const NLM_F_DUMP = 0x300;
/** `linux/netlink.h`. */
export const NLM_F_REPLACE = 0x100;
/** `linux/netlink.h`. */
export const NLM_F_EXCL = 0x200;
/** `linux/netlink.h`. */
export const NLM_F_CREATE = 0x400;
/** `linux/netlink.h`. */
export const NLM_F_ACK_TLVS = 0x200;
/** `linux/netlink.h`. */
export const NLM_F_CAPPED = 0x100;
/** `linux/netlink.h`. */
export const NLMSG_ERROR = 2;
/** `linux/netlink.h`. */
export const NLMSG_DONE = 3;
/** `linux/netlink.h`. */
export const NLA_F_NESTED = 0x8000;
/** `linux/netlink.h`. */
export const NLA_TYPE_MASK: number = -49153;
/** `linux/netlink.h`. */
export const NLMSGERR_ATTR_MSG = 1;
/** `linux/rtnetlink.h`. */
export const RTM_NEWLINK = 16;
/** `linux/rtnetlink.h`. */
export const RTM_DELLINK = 17;
/** `linux/rtnetlink.h`. */
export const RTM_GETLINK = 18;
/** `linux/rtnetlink.h`. */
export const RTM_SETLINK = 19;
/** `linux/rtnetlink.h`. */
export const RTM_NEWQDISC = 36;
/** `linux/rtnetlink.h`. */
export const RTM_DELQDISC = 37;
/** `linux/rtnetlink.h`. */
export const RTM_NEWTFILTER = 44;
/** `linux/rtnetlink.h`. */
export const RTM_DELTFILTER = 45;
/** `linux/rtnetlink.h`. */
export const RTM_GETTFILTER = 46;
/** `linux/rtnetlink.h`. */
export const TCA_KIND = 1;
/** `linux/rtnetlink.h`. */
export const TCA_OPTIONS = 2;
/** `linux/if_link.h`. */
export const IFLA_IFNAME = 3;
/** `linux/if_link.h`. */
export const IFLA_MTU = 4;
/** `linux/if_link.h`. */
export const IFLA_LINKINFO = 18;
/** `linux/if_link.h`. */
export const IFLA_NUM_TX_QUEUES = 31;
/** `linux/if_link.h`. */
export const IFLA_XDP = 43;
/** `linux/if_link.h`. */
export const IFLA_INFO_KIND = 1;
/** `linux/if_link.h`. */
export const IFLA_INFO_DATA = 2;
/** `linux/if_link.h`. */
export const IFLA_XDP_FD = 1;
/** `linux/if_link.h`. */
export const IFLA_XDP_ATTACHED = 2;
/** `linux/if_link.h`. */
export const IFLA_XDP_FLAGS = 3;
/** `linux/if_link.h`. */
export const IFLA_XDP_PROG_ID = 4;
/** `linux/if_link.h`. */
export const IFLA_XDP_EXPECTED_FD = 8;
/** `linux/if_link.h`. */
export const XDP_FLAGS_UPDATE_IF_NOEXIST = 1;
/** `linux/if_link.h`. */
export const XDP_FLAGS_SKB_MODE = 2;
/** `linux/if_link.h`. */
export const XDP_FLAGS_DRV_MODE = 4;
/** `linux/if_link.h`. */
export const XDP_FLAGS_HW_MODE = 0x8;
/** `linux/if_link.h`. */
export const XDP_FLAGS_REPLACE = 0x10;
/** `linux/veth.h`. */
export const VETH_INFO_PEER = 1;
/** `linux/pkt_sched.h`. */
export const TC_H_CLSACT = 0xfffffff1;
/** `linux/pkt_sched.h`. */
export const TC_H_MIN_INGRESS = 0xfff2;
/** `linux/pkt_sched.h`. */
export const TC_H_MIN_EGRESS = 0xfff3;
/** `linux/pkt_cls.h`. */
export const TCA_BPF_FD = 6;
/** `linux/pkt_cls.h`. */
export const TCA_BPF_NAME = 7;
/** `linux/pkt_cls.h`. */
export const TCA_BPF_FLAGS = 8;
/** `linux/pkt_cls.h`. */
export const TCA_BPF_ID = 11;
/** `linux/pkt_cls.h`. */
export const TCA_BPF_FLAG_ACT_DIRECT = 1;
/** `linux/pkt_cls.h`. */
export const TC_ACT_OK = 0;
/** `linux/pkt_cls.h`. */
export const TC_ACT_SHOT = 2;
/** `linux/pkt_cls.h`. */
export const TC_ACT_UNSPEC: number = -1;
/** `linux/if_ether.h`. */
export const ETH_P_ALL = 3;
/** `linux/netfilter.h`. */
export const NFPROTO_IPV4 = 2;
/** `linux/netfilter.h`. */
export const NFPROTO_IPV6 = 10;
/** `linux/netfilter.h`. */
export const NF_INET_PRE_ROUTING = 0;
/** `linux/netfilter.h`. */
export const NF_INET_LOCAL_IN = 1;
/** `linux/netfilter.h`. */
export const NF_INET_FORWARD = 2;
/** `linux/netfilter.h`. */
export const NF_INET_LOCAL_OUT = 3;
/** `linux/netfilter.h`. */
export const NF_INET_POST_ROUTING = 4;
/** `linux/netfilter.h`. */
export const NF_ACCEPT = 1;
/** `linux/netfilter.h`. */
export const NF_DROP = 0;
