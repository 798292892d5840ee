# Forks and ends for so many seconds, so that it is never seen where it was looked for, and touches a
# file all the time: hop.pl FILE SECONDS HOPPERS
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
    # The parent is gone before anybody can have read of it.
    POSIX::_exit(0) if fork;
  }
  POSIX::_exit(0);
}
# Time for them to begin.
select undef, undef, undef, 0.2;
