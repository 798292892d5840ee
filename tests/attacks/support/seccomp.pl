# Runs a command under a filter that fails bpf(2) with an errno, like containers' profiles:
# seccomp.pl ERRNO COMMAND…
use strict;
use warnings;
use Attack;

my ($errno, @command) = @ARGV;
my $bpf = { x86_64 => 321, aarch64 => 280 }->{$machine};
my $instruction = sub { pack 'SCCL', @_ };
my $filter = $instruction->(0x20, 0, 0, 0)
  . $instruction->(0x15, 0, 1, $bpf)
  . $instruction->(0x06, 0, 0, 0x00050000 | $errno)
  . $instruction->(0x06, 0, 0, 0x7fff0000);
my $program = pack 'Sx6P', 4, $filter;
sys('prctl', 38, 1, 0, 0, 0);
my $result = sys('prctl', 22, 2, $program);
die 'seccomp: ' . errno_name($result) . "\n" if $result < 0;
exec @command;
