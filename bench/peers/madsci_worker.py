"""Speaks harness/protocol.ts for the real MADSci registry. Every command runs in a thread of its own."""

import json
import logging
import os
import resource
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # What libraries print must not get between the answers.

from madsci.common.registry import LocalRegistryManager, LockManager  # noqa: E402
from madsci.common.utils import new_ulid_str  # noqa: E402

logging.disable(logging.CRITICAL)
answer_lock = threading.Lock()
settings = {}
managers = {}
managers_lock = threading.Lock()
holding = []
WAIT_SECONDS = 600.0


def manager(key):
    """One instance for each asker: to the reference, whoever shares an instance shares its locks."""
    with managers_lock:
        if key not in managers:
            lock_manager = LockManager(
                lock_ttl=timedelta(milliseconds=settings["ttlMs"]) if "ttlMs" in settings else None,
                heartbeat_interval=settings["heartbeatMs"] // 1000 if "heartbeatMs" in settings else None,
            )
            managers[key] = LocalRegistryManager(Path(settings["location"]), lock_manager)
        return managers[key]


def name_at(index):
    return f"robot_arm_{index}"


def now_ns():
    return str(time.monotonic_ns())


def sleep_until(at_ns):
    time.sleep(max(0, (int(at_ns) - time.monotonic_ns()) / 1e9))


def open_registry(subject, **options):
    settings.update(options)
    return {"versions": {"python": sys.version.split()[0], "madsci-common": version("madsci-common"), "filelock": version("filelock")}}


def fill(population):
    registry = manager("main")._read()
    made = LocalRegistryManager(Path(settings["location"] + ".one"))
    made.resolve("one", "node", acquire_lock=False)
    entry = made._read().entries["one"]
    for index in range(population):
        registry.entries[name_at(index)] = entry.model_copy(update={"id": new_ulid_str()})
    manager("main")._write(registry)


def measure(operation, forMs, population, concurrency):
    registry = manager("main")
    samples = []
    started = time.perf_counter()
    step = 0
    while True:
        step = (step + 7919) % population
        name = name_at(step)
        before = time.perf_counter()
        registry.resolve(name, "node")
        registry.release(name)
        samples.append((time.perf_counter() - before) * 1e6)
        if time.perf_counter() - started > forMs / 1e3:
            break
    return {"samplesUs": samples, "operations": len(samples), "elapsedMs": (time.perf_counter() - started) * 1e3}


grips = {}


def acquire(name, **rest):
    key = rest["as"]
    manager(key).resolve(name, "node", retry_timeout=WAIT_SECONDS)
    granted = now_ns()
    grips[key] = name
    return {"grantedNs": granted}


def release(**rest):
    key = rest["as"]
    sent = now_ns()
    manager(key).release(grips.pop(key))
    return {"sentNs": sent}


def hold(count, concurrency):
    started = time.perf_counter()
    for index in range(count):
        manager("main").resolve(name_at(index), "node")
        holding.append(name_at(index))
    return {"tookMs": (time.perf_counter() - started) * 1e3}


def held():
    """The reference never tells a holder of its loss, so this looks at what everybody else sees."""
    own = manager("main").lock_manager.instance_id
    while True:
        try:
            entries = manager("main")._read().entries
            break
        except ValueError:
            time.sleep(0.01)  # Torn: it is written in place.
    now = datetime.now(tz=timezone.utc)
    return {"held": sum(1 for name in holding if is_held(entries.get(name), own, now))}


def is_held(entry, own, now):
    lock = entry.lock if entry else None
    return lock is not None and lock.holder_instance == own and lock.expires_at > now


def usage():
    used = resource.getrusage(resource.RUSAGE_SELF)
    written = [line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("write_bytes: ")]
    return {
        "cpuUs": (used.ru_utime + used.ru_stime) * 1e6,
        "writtenBytes": int(written[0].split()[1]) if written else None,
        "atNs": now_ns(),
    }


def increment(name, times, counterPath, dwellMs, startAtNs, stopAtNs):
    waits = []
    registry = manager("main")
    sleep_until(startAtNs)
    while len(waits) < times and time.monotonic_ns() < int(stopAtNs):
        asked = time.perf_counter()
        registry.resolve(name, "node", retry_timeout=WAIT_SECONDS)
        waits.append((time.perf_counter() - asked) * 1e3)
        if counterPath is not None:
            before = int(Path(counterPath).read_text())
            time.sleep(dwellMs / 1e3)
            Path(counterPath).write_text(str(before + 1))
        registry.release(name)
    return {"waitsMs": waits, "endedNs": now_ns()}


def chain(name, participants, startAtNs, stopAtNs):
    links = []

    def take(participant):
        sleep_until(startAtNs)
        registry = manager(participant)
        while time.monotonic_ns() < int(stopAtNs):
            asked = now_ns()
            registry.resolve(name, "node", retry_timeout=WAIT_SECONDS)
            granted = now_ns()
            links.append({"participant": participant, "askedNs": asked, "grantedNs": granted, "sentNs": now_ns()})
            registry.release(name)

    threads = [threading.Thread(target=take, args=(index,)) for index in range(participants)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"links": links}


def close():
    for one in managers.values():
        one.lock_manager.stop_all_heartbeats()


COMMANDS = {
    "open": open_registry,
    "fill": fill,
    "measure": measure,
    "acquire": acquire,
    "release": release,
    "hold": hold,
    "held": held,
    "usage": usage,
    "increment": increment,
    "chain": chain,
    "close": close,
}


def answer(request):
    try:
        reply = {"id": request["id"], "result": COMMANDS[request["command"]](**request["args"])}
    except Exception as error:  # noqa: BLE001 - whatever it is, the coordinator reports it
        reply = {"id": request["id"], "error": f"{type(error).__name__}: {error}"}
    with answer_lock:
        answers.write(json.dumps(reply) + "\n")


for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
os._exit(0)
