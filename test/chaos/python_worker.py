"""A chaos worker with the real MADSci registry: claims names, refreshes and releases them, counts, and journals.

Its journal has the form of journal.ts, on the same clock (CLOCK_BOOTTIME). Nothing tells a Python holder that it lost its
name, so it believes what its last refresh said: each refresh that succeeds is one sample.
"""

import json
import logging
import os
import random
import signal
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from filelock import Timeout
from madsci.common.registry import LocalRegistryManager, LockManager
from madsci.common.registry.local_registry import RegistryError
from madsci.common.registry.lock_manager import RegistryLockError

REFRESH_SECONDS = 0.15

settings = json.loads(sys.argv[1])
me = settings["process"]
journal_file = os.open(settings["journalPath"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL)
stopping = threading.Event()
logging.disable(logging.CRITICAL)


def now_ms():
    return time.clock_gettime(time.CLOCK_BOOTTIME) * 1000


def journal(kind, **event):
    event.setdefault("at", now_ms())
    os.write(journal_file, (json.dumps({"kind": kind, **event}) + "\n").encode())


def journal_belief(of, before_at, held):
    os.write(
        journal_file,
        (
            json.dumps(
                {
                    "kind": "belief",
                    **of,
                    "held": held,
                    "signalAborted": not held,
                    "beforeAt": before_at,
                    "afterAt": now_ms(),
                }
            )
            + "\n"
        ).encode(),
    )


def journal_error(doing, error):
    journal("error", doing=doing, code=type(error).__name__, message=str(error)[:500])


def hold(registry, of):
    until = time.monotonic() + random.uniform(0, 2) * settings["ttlMs"] / 1000
    while time.monotonic() < until and not stopping.wait(REFRESH_SECONDS):
        before_at = now_ms()
        try:
            registry.refresh_lock(of["name"])
            journal_belief(of, before_at, True)
        except RegistryLockError as error:
            if isinstance(error.__cause__, Timeout):
                journal("jeopardy", **of)
                continue
            journal_belief(of, before_at, False)
            journal("lost", **of, reason=str(error))
            return
        except Exception as error:
            # A file that cannot be read is no word on who holds the name.
            journal_error("refresh", error)
            journal("jeopardy", **of)
    asked_at = now_ms()
    journal("release-asked", **of, at=asked_at)
    try:
        registry.release(of["name"])
        journal("released", **of, askedAt=asked_at)
    except Exception as error:
        journal("release-failed", **of, askedAt=asked_at, code=type(error).__name__)


def claim(registry, locks, label, name):
    asked_at = now_ms()
    journal("claim-asked", claim=label, name=name, at=asked_at)
    try:
        found = registry.resolve(name, "node")
    except Exception as error:
        journal("claim-refused", claim=label, name=name, code=type(error).__name__, askedAt=asked_at)
        return
    of = {"claim": label, "name": name, "token": None}
    journal("claim-granted", **of, id=found, askedAt=asked_at)
    # Its own heartbeat threads would refresh without a word; hold() does it instead.
    locks.stop_heartbeat(name)
    hold(registry, of)


def increment(registry, label, name):
    about = {"counter": f"{name} {me}", "increment": label}
    try:
        entry = registry.get_entry(name)
    except Exception as error:
        journal_error("get_entry", error)
        return
    if entry is None:
        # The reference says None for "could not look" too.
        return
    journal("increment-asked", **about)
    try:
        registry.resolve(name, "node", metadata={me: entry.metadata.get(me, 0) + 1}, acquire_lock=False)
        journal("increment-acknowledged", **about)
    except RegistryError as error:
        journal("increment-refused", **about, code=str(error))
    except Exception as error:
        journal("increment-unknown", **about, code=type(error).__name__)


def end_with_stdin():
    sys.stdin.read()
    os._exit(1)


def main():
    journal("started", pid=os.getpid(), runtime="python")
    journal("clock-checked", uptimeMs=float(Path("/proc/uptime").read_text().split()[0]) * 1000)
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    threading.Thread(target=end_with_stdin, daemon=True).start()
    random.seed(settings["seed"])
    locks = LockManager(lock_ttl=timedelta(milliseconds=settings["ttlMs"]))
    registry = LocalRegistryManager(registry_path=Path(settings["registryPath"]), lock_manager=locks)
    count = 0
    while not stopping.is_set():
        count += 1
        name = random.choice(settings["names"])
        if random.random() < 0.3:
            increment(registry, f"{me}#{count}", name)
        else:
            claim(registry, locks, f"{me}#{count}", name)
        stopping.wait(random.uniform(0, 0.05))
    journal("finished")
    os._exit(0)


main()
