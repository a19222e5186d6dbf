#!/usr/bin/env python3
"""tiny_pipes.py FOLLOWER TRAINER FIFO - runs two command lines as a pipe whose buffers are as small as the system has them:
a socket pair of a few kilobytes between them, and a page in the FIFO.  Exits with the worse of both statuses."""
import fcntl
import os
import shlex
import socket
import subprocess
import sys
import time

follower, trainer, fifo = sys.argv[1:]
left, right = socket.socketpair()
for end in left, right:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
both_ends = os.open(fifo, os.O_RDWR)
fcntl.fcntl(both_ends, 1031, 4096)  # F_SETPIPE_SZ; lasts while somebody has the FIFO open
programs = [subprocess.Popen(shlex.split(follower), stdout=left), subprocess.Popen(shlex.split(trainer), stdin=right)]
left.close()
right.close()


def has_open(program):
    folder = f"/proc/{program.pid}/fd"
    try:
        return any(os.path.realpath(f"{folder}/{name}") == os.path.realpath(fifo) for name in os.listdir(folder))
    except OSError:
        return False


while any(p.poll() is None and not has_open(p) for p in programs):
    time.sleep(0.01)
assert fcntl.fcntl(both_ends, 1032) == 4096  # F_GETPIPE_SZ: nobody has made it larger
os.close(both_ends)
sys.exit(max(abs(p.wait()) for p in programs))
