"""Stands for ``python`` on the path of a study's jobs; what it runs is a fork of a server.

The jobs' programs that the server has imported are asked for at its socket; what else is called
so is Python itself.
"""

import json
import os
import signal
import socket
import sys

real, place, *programs = os.environ["BAYLING_TEST_PROGRAMS"].split(os.pathsep)
arguments = sys.argv[1:]
if arguments[:1] != ["-m"] or arguments[1] not in programs:
    os.execv(real, [real, *arguments])
asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
asked.connect(place)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, lambda sent, frame: asked.send(str(int(sent)).encode()))
wanted = {"command": [real, *arguments], "environment": dict(os.environ), "folder": os.getcwd()}
socket.send_fds(asked, [json.dumps(wanted).encode()], [0, 1, 2])
status = int(asked.recv(100) or 1)
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
