"""One shard's life. Rule: every turn of the daemon ends in exactly one answer, and only what happened is answered."""

# The protocol's pipe moves away from fd 1 before any other import can print.
from tailrace.kcl import fd

PROTOCOL_FD = fd.take()

# ruff: noqa: E402
import faulthandler
import gc
import math
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Never, NoReturn

from tailrace import settings as settings_module
from tailrace.kcl.daemon import Daemon
from tailrace.kcl.protocol import (
    ACTIONS,
    CheckpointError,
    DaemonGone,
    Initialize,
    LeaseLost,
    Records,
    ShardEnded,
    ShutdownRequested,
    Turn,
)
from tailrace.nouns import START, Identity, mark, unmark
from tailrace.ops import failures, logs
from tailrace.ops.clock import Clock, SystemClock
from tailrace.shard import Shard
from tailrace.world import WorldError

GRACE_MARGIN_S = 5.0  # of the daemon's grace, kept for the checkpoint and the goodbye
RESOLVE_LOOK_S = 5.0  # how often a stopped shard looks whether a person has decided
RETRIED_SHARE = 4  # a lane is tried again after this part of the time that it is behind: each try reads all of that
CAUGHT_UP_TICKS = 3  # empty ticks at lag 0 in a row before an open plan waits in vain

LOOK_S = 0.5  # how often a sleep looks whether the daemon still lives
HOLD_MARGIN_S = 30.0  # before the daemon would halt

EXIT_FAILED = 1


class Superseded(Exception):
    """Another child opened later, yet the daemon feeds this one: only opening again can tell who is right."""


class AheadOfLedger(Exception):
    """KCL's checkpoint is after the watermark: somebody altered lease or ledger. To go on would skip records."""


class Resolved(Exception):
    """A person has decided for the stopped shard: open again."""


class Anew(Exception):
    """The shard must be opened anew, from where its slowest lane stands."""


class LeashedClock(SystemClock):
    """The machine's clock; its sleeps end with the daemon."""

    def __init__(self, alive: Callable[[], None]) -> None:
        self._alive = alive

    def sleep(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        while (left_s := until - self.monotonic()) > 0:
            super().sleep(min(left_s, LOOK_S))
            if threading.current_thread() is threading.main_thread():  # it alone may look at the pipe
                self._alive()


class Life:
    """One child's way through the daemon's turns."""

    def __init__(
        self,
        daemon: Daemon,
        open_shard: Callable[[str], Shard],
        clock: Clock,
        grace_s: float,
        failover_s: float,
        turn_s: float = math.inf,
        renew: Callable[[Shard], None] = lambda _shard: None,
        retry_s: float = math.inf,
    ) -> None:
        """`renew` may have the shard go on under another edition, at the start of a turn.

        `retry_s`: until a lane that is parked is tried again, for which all of the daemon starts anew.
        """
        self._daemon = daemon
        self._open_shard = open_shard
        self._clock = clock
        self._grace_s = grace_s
        self._failover_s = failover_s
        self.renew = renew
        self.obey: Callable[[Shard], None] = lambda _shard: None  # does what persons have said of lanes
        self._turn_s = turn_s  # then the daemon halts, and all its shards with it
        self._checkpointed = START
        self._ticks = 0
        self._ended = False
        self._lost_since: float | None = None
        self._retry_s = retry_s
        self._parked_since: float | None = None
        self._looked = clock.monotonic()
        self.say: Callable[..., None] = lambda *_, **__: None

    def live(self) -> None:
        """Answer turns until the daemon goes (DaemonGone), or something makes it wrong to go on."""
        turns = self._daemon.turns()
        first = next(turns)
        assert isinstance(first, Initialize), first  # protocol.TURNS allows nothing else
        shard = self._open_shard(first.shard)
        checkpoint = mark(first.sequence, first.sub) if first.sequence.isdecimal() else START
        shard.open(checkpoint)
        if checkpoint > shard.watermark and shard.state != "lost":
            raise AheadOfLedger(
                f"KCL's checkpoint {first.sequence}/{first.sub} is after what the ledger has committed"
                f" ({shard.watermark or 'nothing'}): records in between would be skipped"
            )
        self._daemon.answer(first)
        for turn in turns:
            self._tell(turn)
            match turn:
                case Records():
                    self._records(shard, turn)
                    self._checkpoint(shard)
                case ShardEnded():
                    self._end(shard)
                case ShutdownRequested():
                    if shard.state == "fill":
                        self._leave(shard)
                    self._checkpoint(shard)
                case LeaseLost():
                    shard.drop()
            self._daemon.answer(turn)

    def _tell(self, turn: Turn) -> None:
        facts = {"action": ACTIONS[type(turn)]}
        if isinstance(turn, Records):
            self.say("turn", **facts, line_bytes=turn.line_bytes, millis_behind=turn.millis_behind)
        else:
            self.say("turn", **facts)

    def _records(self, shard: Shard, turn: Records) -> None:
        if shard.state == "fill":
            self.obey(shard)
            self._retry(shard)
            self.renew(shard)
        empty = True
        for chunk in turn.chunks:
            empty = empty and not chunk
            if shard.state == "fill":
                shard.add(chunk)
        self._ticks = self._ticks + 1 if empty and turn.millis_behind == 0 else 0
        match shard.state:
            case "lost":
                self._endure(fed=not empty)
            case "stopped":
                self._look(shard)
            case _:
                if self._ticks >= CAUGHT_UP_TICKS:
                    shard.caught_up()
                shard.flush_due()

    def _retry(self, shard: Shard) -> None:
        """See whether a lane that is parked has waited for long enough, or a person has decided about one."""
        waiting = shard.waiting
        now = self._clock.monotonic()
        if "stopped" in waiting.values():
            self._look(shard)
        parked = ", ".join(name for name, state in waiting.items() if state == "parked")
        if not parked:
            self._parked_since = None
        elif self._parked_since is None:
            self._parked_since = now
        elif now - self._parked_since >= max(self._retry_s, shard.behind_s(self._clock.now_ms()) / RETRIED_SHARE):
            self.start_anew(shard, f"{parked}: tried again, from where it stands ({shard.why})")

    def start_anew(self, shard: Shard, why: str) -> NoReturn:
        """Leave in good order, for the daemon to be started again."""
        self._leave(shard)
        if not self._ended:
            self._checkpoint(shard)
        raise Anew(why)

    def _leave(self, shard: Shard) -> None:
        if shard.flush(max(0.0, self._grace_s - GRACE_MARGIN_S)):
            shard.leave()

    def _endure(self, *, fed: bool) -> None:
        """Another child owns the shard: answer without doing, for as long as the lease may take to move."""
        self.say("lost_turn")
        now = self._clock.monotonic()
        self._lost_since = now if self._lost_since is None else self._lost_since
        if fed and now - self._lost_since > 2 * self._failover_s:
            raise Superseded("the daemon still feeds a shard that another child opened later")

    def _look(self, shard: Shard) -> None:
        """A lane waits for a person: look now and then whether one has decided."""
        now = self._clock.monotonic()
        if now - self._looked >= RESOLVE_LOOK_S:
            self._looked = now
            try:
                resolved = shard.resolved()
            except WorldError as error:
                self.say("trouble", what="ledger", error=str(error))
                return
            if resolved:
                if shard.state == "fill":
                    self._leave(shard)
                raise Resolved("resolved: the shard is opened again")

    def _checkpoint(self, shard: Shard) -> None:
        if shard.state != "fill":
            return
        at = min(shard.watermark, shard.delivered)
        if at <= self._checkpointed:
            return
        sequence, sub = unmark(at)
        try:
            self._daemon.checkpoint(sequence.zfill(shard.digits), sub)  # a service may compare it as text
        except CheckpointError as error:
            self.say("checkpointed", result=error.kind, error=error.name)
            if error.kind == "invalid":
                raise
            return  # `retry`: the next turn tries again; `lost`: leaseLost follows
        self._checkpointed = at
        self.say("checkpointed", result="ok", at=at)
        gc.collect()  # the collector is off; what SDKs leave in cycles goes once a plan, not in the hot path

    def _end(self, shard: Shard) -> None:
        """Flush, then have KCL take the end; the turn is answered only after that."""
        self._ended = True
        until = self._clock.monotonic() + self._turn_s - HOLD_MARGIN_S
        if shard.state == "fill":
            shard.end()
        self._hold(shard, until)
        if shard.state == "lost":
            raise Superseded("the shard ended, but another child opened it later")
        pause_s = 0.2
        while True:
            try:
                self._daemon.checkpoint_end()
            except CheckpointError as error:
                self.say("checkpointed", result=error.kind, error=error.name)
                if error.kind != "retry" or pause_s > self._failover_s:
                    raise
                self._clock.sleep(pause_s)
                pause_s *= 2
            else:
                break
        self.say("checkpointed", result="ok", at="end of shard")
        shard.leave()

    def _hold(self, shard: Shard, until: float) -> None:
        """An end waits for a person, or for a lane that is given up for now, as long as a turn may take.

        Until then nobody reads the shards that follow this one: a daemon that starts anew sooner helps none of them.
        """
        tried, told = self._clock.monotonic() + self._retry_s, ({"": ""}, "")
        while shard.state == "stopped" or (shard.state == "fill" and shard.waiting):
            if (waiting := (shard.waiting, shard.why)) != told:
                told = waiting
                self.say("end_waits", waiting=shard.waiting, why=shard.why)
            self._clock.sleep(RESOLVE_LOOK_S)
            if self._daemon.gone():
                raise DaemonGone("the daemon went while the shard's end waited")
            self._look(shard)
            over = self._clock.monotonic() >= until
            if shard.state == "stopped":
                if over:
                    raise Superseded("the shard has ended and waits for a person: its turn must end")
                continue
            self.obey(shard)
            if over or ("parked" in shard.waiting.values() and self._clock.monotonic() >= tried):
                self.start_anew(shard, f"the shard has ended, and waits for {', '.join(shard.waiting)} ({shard.why})")


def main(argv: list[str]) -> Never:
    """Entry point: `python -m tailrace.kcl.child SETTINGS.json`. No thread or exit hook delays its end."""
    faulthandler.enable()
    path = Path(argv[1])
    settings = settings_module.load_resolved(path)
    logs.configure(settings.logs.format, settings.logs.level, socket_path=str(path.parent / "log.sock"))
    log = logs.get("child")
    code = EXIT_FAILED
    try:
        _run(settings, path, log)
    except DaemonGone as gone:
        log.info("the daemon is gone", why=str(gone))
        code = 0
    except (Superseded, Resolved, Anew) as leave:
        log.warning(str(leave))
    except BaseException as error:
        log.exception("child failed", error=failures.words(error))
    sys.stderr.flush()
    os._exit(code)


def _run(settings: settings_module.Settings, path: Path, log: logs.Log) -> None:
    from tailrace import editions  # noqa: PLC0415 - heavy imports come after the pipe is safe
    from tailrace.commit.stores import claims_of, ledger_of  # noqa: PLC0415
    from tailrace.kcl import lines  # noqa: PLC0415
    from tailrace.kcl.preflight import bearing, epoch_of, judging  # noqa: PLC0415
    from tailrace.kcl.renewal import Renewal  # noqa: PLC0415
    from tailrace.kcl.run_dir import edition_copy  # noqa: PLC0415
    from tailrace.kcl.switching import Orders, obeying  # noqa: PLC0415
    from tailrace.kcl.watch import Watch  # noqa: PLC0415
    from tailrace.sinks.lake.places import place_of  # noqa: PLC0415
    from tailrace.wiring import adopt, shard_of, tune  # noqa: PLC0415

    tune()
    daemon = Daemon(lines.Stdin(), PROTOCOL_FD)

    def alive() -> None:
        if daemon.gone():
            os._exit(EXIT_FAILED)

    clock = LeashedClock(alive)
    copy, judge = edition_copy(path), judging(settings)
    patient = bearing(settings, clock)
    first = editions.first(settings, copy, patient, log.warning, judge)
    store = ledger_of(settings, file_run=False)
    epoch = patient(lambda: epoch_of(settings, store))

    def open_shard(shard_id: str) -> Shard:
        identity = Identity(settings.stream.name, epoch, shard_id)
        watch = Watch(shard_id, log, clock)
        life.say = watch
        watch.edition(first.edition, from_copy=first.from_copy)
        looking = editions.Editions(settings, first, watch, copy, judge)
        looking.start()
        orders: Orders = {}
        if first.edition.destinations:
            orders, life.obey = patient(partial(obeying, settings, store, identity, watch, life.start_anew))
        life.renew = Renewal(
            looking.ready,
            lambda shard, new: adopt(shard, settings, identity, new),
            watch.edition,
            first.edition.destinations,
            life.start_anew,
        )
        return shard_of(
            settings,
            identity,
            edition=first.edition,
            store=store,
            place=place_of(settings),
            clock=clock,
            say=watch,
            alive=alive,
            claims=claims_of(settings),
            destinations=first.edition.destinations,
            orders=orders,
        )

    life = _life(settings, daemon, clock, open_shard)
    _quiet_collector()
    life.live()


def _life(settings: settings_module.Settings, daemon: Daemon, clock: Clock, open_shard: Callable[[str], Shard]) -> Life:
    kcl, retry_s = settings.kcl, settings.lanes.retry_s
    return Life(
        daemon, open_shard, clock, kcl.shutdown_grace_s, kcl.failover_ms / 1000, kcl.turn_timeout_s, retry_s=retry_s
    )


def _quiet_collector() -> None:
    gc.collect()
    gc.freeze()
    gc.disable()  # the hot path makes no cycles; `_checkpoint` collects what others leave


if __name__ == "__main__":
    main(sys.argv)
