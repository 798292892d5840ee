# Opens a terminal with root's shell and types a line: terminal.pl SECONDS LINE [TYPED [WHEN]]
#
# Types TYPED after the terminal shows WHEN, and finally `exit`. Prints the terminal's output as `screen`.
use strict;
use warnings;
use Attack;
use Fcntl;
use POSIX ();

my ($seconds, $line, $typed, $when) = @ARGV;
sysopen my $master, '/dev/ptmx', O_RDWR or die "/dev/ptmx: $!\n";
my $zero = pack 'l', 0;
ioctl $master, 0x40045431, $zero or die;
my $number = pack 'l', 0;
ioctl $master, 0x80045430, $number or die;
my $path = '/dev/pts/' . unpack 'l', $number;
my $shell = fork // die;
if ($shell == 0) {
  sys('setsid');
  # The first terminal that a session leader opens becomes its controlling terminal.
  sysopen my $slave, $path, O_RDWR or die "$path: $!\n";
  POSIX::dup2(fileno $slave, $_) for 0 .. 2;
  close $slave;
  close $master;
  $ENV{PS1} = '$ ';
  $ENV{ENV} = '';
  exec 'sh', '-i';
  die;
}
my ($screen, $state, $end) = ('', 0, now() + $seconds);
type("stty -echo; $line; echo 'the line' 'has ended'\n");
while (now() < $end) {
  my $bits = '';
  vec($bits, fileno $master, 1) = 1;
  if (select $bits, undef, undef, 0.05) {
    sysread($master, my $text, 4096) or last;
    $screen .= $text;
  }
  if ($state == 0 && defined $when && index($screen, $when) >= 0) {
    type($typed);
    $state = 1;
  }
  if ($state < 2 && $screen =~ /the line has ended/) {
    $state = 2;
    say_value('ended', 'yes');
    # The shell first runs lines injected by others.
    nap(0.5);
    type("exit\n");
  }
}
kill 'HUP', $shell;
kill 'KILL', $shell;
waitpid $shell, 0;
say_value('screen', $screen);

sub type { syswrite $master, $_[0] }
