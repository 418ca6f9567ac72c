"""Stands for ``python`` on the path of a study's jobs; what it runs is a fork of a server.

``PROGRAMS`` has the socket of each program's server; whatever else is called so is Python itself,
and so is the first of each program where ``FRESH`` is a folder for their names.
``helpers.stand_ins`` writes the values of the names in capitals above this text.
"""

# ruff: noqa: F821

import json
import os
import signal
import socket
import sys

arguments = sys.argv[1:]
program = arguments[1] if arguments[:1] == ["-m"] else ""
fresh = program not in PROGRAMS
if not fresh and FRESH:
    try:
        os.mkdir(os.path.join(FRESH, program))
        fresh = True
    except FileExistsError:
        fresh = False
if fresh:
    os.execv(REAL, [REAL, *arguments])
asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
asked.connect(PROGRAMS[program])
wanted = {"command": [REAL, *arguments], "environment": dict(os.environ), "folder": os.getcwd()}
socket.send_fds(asked, [json.dumps(wanted).encode()], [0, 1, 2])
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, lambda sent, frame: asked.send(str(int(sent)).encode()))
asked.recv(100)  # its number
status = int(asked.recv(100) or 1)
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
