"""The conversation with the daemon. Rule: a turn is answered once, by us, and only when its work is done.

Checkpoints go over the same pipe and are legal only between a turn and its answer. When the daemon is gone every call
raises DaemonGone: what was not checkpointed comes again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from tailrace.kcl import lines, protocol
from tailrace.kcl.protocol import CheckpointReply, DaemonGone, ProtocolError, State, Turn


class Daemon:
    """The daemon at the other end of `stdin` and `write_fd` (see `fd.take`)."""

    def __init__(self, stdin: lines.Stdin, write_fd: int) -> None:
        self._stdin = stdin
        self._write_fd = write_fd
        self._state = State.FRESH
        self._open: Turn | None = None  # the turn that waits for its answer

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        return self._state

    def gone(self) -> bool:
        """Has the daemon closed the pipe, or died? To be asked in every wait that does not read."""
        return self._stdin.gone()

    def turns(self) -> Iterator[Turn]:
        """Yield the daemon's turns until it goes: then DaemonGone is raised. Each must be answered before the next."""
        while True:
            if self._open is not None:
                raise ProtocolError("a turn was not answered")
            said = lines.read(self._stdin.line())
            if isinstance(said, CheckpointReply):
                raise ProtocolError("a checkpoint was answered that nobody asked for")
            self._state = protocol.after(self._state, said)
            self._open = said
            yield said

    def answer(self, turn: Turn) -> None:
        """Report a turn as done."""
        if turn is not self._open:
            raise ProtocolError("only the turn in hand can be answered, once")
        self._open = None
        self._write(protocol.status(turn))

    def checkpoint(self, sequence: str, sub: int) -> None:
        """Store a position with KCL. CheckpointError says whether the lease is lost or a retry may help."""
        if self._state not in protocol.CHECKPOINT_AT:
            raise ProtocolError(f"no checkpoint at a position while {self._state.value}")
        self._ask(protocol.checkpoint(sequence, sub))

    def checkpoint_end(self) -> None:
        """Store the shard's end with KCL."""
        if self._state not in protocol.CHECKPOINT_END:
            raise ProtocolError(f"no checkpoint of the end while {self._state.value}")
        self._ask(protocol.checkpoint(None, None))

    def _ask(self, line: bytes) -> None:
        if self._open is None:
            raise ProtocolError("a checkpoint is only legal between a turn and its answer")
        self._write(line)
        reply = lines.read(self._stdin.aside())  # the turn in hand may not be read to its end yet
        if not isinstance(reply, CheckpointReply):
            raise ProtocolError("the daemon answered a checkpoint with a turn")
        protocol.judge(reply)

    def _write(self, line: bytes) -> None:
        try:
            while line:
                line = line[os.write(self._write_fd, line) :]
        except BrokenPipeError:
            raise DaemonGone("the daemon closed the pipe") from None
