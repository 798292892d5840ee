# In the sandbox: creates a token from the bpffs and sends it outside over a socket: give.pl SOCKET
use strict;
use warnings;
use Attack;
use Fcntl;

my ($path) = @ARGV;
sysopen my $bpffs, $ENV{LIBBPF_BPF_TOKEN_PATH}, O_RDONLY | O_DIRECTORY or die "bpffs: $!\n";
my $token = bpf(36, pack 'LL', 0, fileno $bpffs);
say_value('token', errno_name($token));
say_value('inside', errno_name(map_create($token)));
# The receiver starts after it has determined the sandbox's uid outside.
my $socket;
wait_for(300, sub { defined($socket = connect_to($path)) }) or die "$path: $!\n";
say_value('sent', errno_name(send_fd($socket, $token)));
nap(1);
