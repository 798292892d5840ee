# An honest client: honest.pl SOCKET UID REQUEST SECONDS
use strict;
use warnings;
use Attack;

my ($socket, $uid, $request, $seconds) = @ARGV;
become($uid + 0);
own_namespace($uid, NEWNS | NEWNET);
my ($answer, $token) = ask($socket, $request, $seconds);
say_value('answer', $answer);
say_value('token', $token >= 0 ? 'yes' : 'no');
say_value('map', errno_name(map_create($token))) if $token >= 0;
say_value('untoken', errno_name(map_create(-1)));
