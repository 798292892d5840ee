# Forks and exits repeatedly for the given seconds, so that its pid changes before it can be signalled, and
# writes to a file: hop.pl FILE SECONDS HOPPERS
use strict;
use warnings;
use POSIX ();

my ($file, $seconds, $hoppers) = @ARGV;
open my $handle, '+<', $file or die "$file: $!\n";
my $end = time + $seconds;
for (1 .. $hoppers) {
  next if fork;
  POSIX::setsid();
  while (time < $end) {
    sysseek $handle, 0, 0;
    syswrite $handle, "$$      \n";
    # The parent exits before its pid in /proc can be used.
    POSIX::_exit(0) if fork;
  }
  POSIX::_exit(0);
}
# Time for the processes to start.
select undef, undef, undef, 0.2;
