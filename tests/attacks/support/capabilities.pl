# In the sandbox: prints its capabilities and tries to regain others: capabilities.pl
use strict;
use warnings;
use Attack;
use Fcntl;

my $status = read_file('/proc/self/status');
say_value($1, $2) while $status =~ /^(Cap\w+|NoNewPrivs):\s*(\w+)$/mg;
my $mine = readlink '/proc/self/ns/user';

# Other processes of the namespace: a traceable one with more capabilities would give access to them.
my @traced;
for my $path (glob '/proc/[0-9]*') {
  my ($pid) = $path =~ /(\d+)$/;
  next if $pid == $$ || (readlink("$path/ns/user") // $mine) ne $mine;
  my $result = sys('ptrace', 0x4206, $pid + 0, 0, 0);
  my $permitted = (read_file("$path/status") // '') =~ /^CapPrm:\s*(\w+)/m ? $1 : '?';
  push @traced, "$pid:$permitted" if $result == 0;
}
say_value('traced', "@traced");

# A nested user namespace gives all capabilities inside it only; setns(2) back must not keep them.
sysopen my $above, '/proc/self/ns/user', O_RDONLY or die;
my $child = fork // die;
if ($child == 0) {
  say_value('unshared', errno_name(sys('unshare', NEWUSER)));
  say_value('back', errno_name(sys('setns', fileno $above, NEWUSER)));
  POSIX::_exit(0);
}
waitpid $child, 0;
# A set-user-ID program owned by root would run as root inside.
say_value('again', `grep CapEff /proc/self/status` =~ /(\w+)$/ ? $1 : '?');
