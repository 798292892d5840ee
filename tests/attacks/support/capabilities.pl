# In the sandbox: which capabilities it has, and tries to get more of them back: capabilities.pl
use strict;
use warnings;
use Attack;
use Fcntl;

my $status = read_file('/proc/self/status');
say_value($1, $2) while $status =~ /^(Cap\w+|NoNewPrivs):\s*(\w+)$/mg;
my $mine = readlink '/proc/self/ns/user';

# Others of the namespace: who has more and can be traced would lend it.
my @traced;
for my $path (glob '/proc/[0-9]*') {
  my ($pid) = $path =~ /(\d+)$/;
  next if $pid == $$ || (readlink("$path/ns/user") // $mine) ne $mine;
  my $result = sys('ptrace', 0x4206, $pid + 0, 0, 0);
  my $permitted = (read_file("$path/status") // '') =~ /^CapPrm:\s*(\w+)/m ? $1 : '?';
  push @traced, "$pid:$permitted" if $result == 0;
}
say_value('traced', "@traced");

# A namespace within gives all capabilities, but only there: back again there must be none.
sysopen my $above, '/proc/self/ns/user', O_RDONLY or die;
my $child = fork // die;
if ($child == 0) {
  say_value('unshared', errno_name(sys('unshare', NEWUSER)));
  say_value('back', errno_name(sys('setns', fileno $above, NEWUSER)));
  POSIX::_exit(0);
}
waitpid $child, 0;
# A set-user-id program of root's would be root inside.
say_value('again', `grep CapEff /proc/self/status` =~ /(\w+)$/ ? $1 : '?');
