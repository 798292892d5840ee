# Outside: receives a descriptor over a socket and keeps it open: keep.pl SOCKET SECONDS
use strict;
use warnings;
use Attack;
use Socket qw(AF_UNIX pack_sockaddr_un);

my ($path, $seconds) = @ARGV;
socket my $listener, AF_UNIX, 5, 0 or die;
bind $listener, pack_sockaddr_un($path) or die "$path: $!\n";
listen $listener, 5 or die;
chmod 0666, $path;
say_value('listening', 'yes');
accept my $connection, $listener or die;
say_value('kept', receive_fd($connection, 10) >= 0 ? 'yes' : 'no');
nap($seconds);
