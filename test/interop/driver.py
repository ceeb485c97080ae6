"""Drives the real MADSci registry by JSON lines, so that tests can put a Python node beside ours.

A request is one line: {"id": 1, "cmd": "resolve", ...arguments}. Its answer is one line: {"id": 1, "ok": true,
"result": ..., "startedMs": ..., "tookMs": ...}, or {"ok": false, "error": {"type": "RegistryLockError", "message": ...}}.
Each request runs in a thread of its own, as heartbeats do, so a blocked one does not hold up the next. JSON has no NaN:
non-finite floats are answered as {"$float": "nan"}. Started as `driver.py`, nothing here replaces a method of the
reference: what is counted is counted around it.
"""

import json
import logging
import math
import os
import resource
import signal
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

protocol = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # Whatever the libraries print must not get between the answers.

import filelock  # noqa: E402
import madsci.common.registry as registry_module  # noqa: E402
from importlib.metadata import version  # noqa: E402

protocol_lock = threading.Lock()
managers = {}
file_locks = {}
heartbeat_failures = []
warnings_seen = []


class WarningRecorder(logging.Handler):
    """Keeps what the reference only logs: failed refreshes, timeouts."""

    def emit(self, record):
        text = record.getMessage()
        warnings_seen.append(text)
        if text.startswith("Failed to refresh lock"):
            heartbeat_failures.append({"atMs": time.time() * 1000, "message": text})


def send(message):
    with protocol_lock:
        protocol.write(json.dumps(message, allow_nan=False) + "\n")
        protocol.flush()


def plain(value):
    """`value` as JSON can carry it."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def entry_json(entry):
    return None if entry is None else entry.model_dump(mode="json")


class Manager:
    """One LocalRegistryManager with its LockManager, and what its heartbeats did."""

    def __init__(self, path, ttlSeconds=None, intervalSeconds=None, instance=None):
        self.locks = registry_module.LockManager(
            instance_id=instance,
            lock_ttl=None if ttlSeconds is None else timedelta(seconds=ttlSeconds),
            heartbeat_interval=intervalSeconds,
        )
        self.registry = registry_module.LocalRegistryManager(
            registry_path=None if path is None else Path(path), lock_manager=self.locks
        )
        self.refreshes = 0
        self.slowest_refresh_ms = 0.0
        self._watch_refreshes()

    def _watch_refreshes(self):
        refresh = self.registry.refresh_lock

        def timed_refresh(name):
            started = time.monotonic()
            try:
                refresh(name)
                self.refreshes += 1
            finally:
                took_ms = (time.monotonic() - started) * 1000
                self.slowest_refresh_ms = max(self.slowest_refresh_ms, took_ms)

        self.registry.refresh_lock = timed_refresh


def manager_of(request):
    return managers[request.get("manager", "main")]


def open_manager(request):
    made = Manager(
        request.get("path"), request.get("ttlSeconds"), request.get("intervalSeconds"), request.get("instance")
    )
    managers[request.get("manager", "main")] = made
    return {
        "path": str(made.registry.registry_path),
        "instance": made.locks.instance_id,
        "pid": made.locks.pid,
        "host": made.locks.hostname,
        "filelock": filelock.__version__,
        "madsci": version("madsci-common"),
    }


def resolve(request):
    return manager_of(request).registry.resolve(
        request["name"],
        request.get("type", "node"),
        metadata=request.get("metadata"),
        acquire_lock=request.get("acquire", True),
        retry_timeout=request.get("retrySeconds"),
    )


def resolver_of(request):
    return registry_module.IdentityResolver(local_registry=manager_of(request).registry)


def resolve_with_info(request):
    info = resolver_of(request).resolve_with_info(request["name"], request.get("type", "node"))
    return info.model_dump(mode="json")


def list_entries(request):
    rows = manager_of(request).registry.list_entries(request.get("type"), request.get("includeStale", False))
    return [[name, entry_json(entry)] for name, entry in rows]


def refresh_entry(request):
    """The reference's pure half: LockManager.refresh on what the file says."""
    manager = manager_of(request)
    return entry_json(manager.locks.refresh(manager.registry.get_entry(request["name"])))


def can_acquire(request):
    manager = manager_of(request)
    allowed, reason = manager.locks.can_acquire(manager.registry.get_entry(request["name"]))
    return {"allowed": allowed, "reason": reason}


def take_file_lock(request):
    """Holds PATH.lock as a slow Python process would, until it is dropped or `seconds` are over."""
    lock = filelock.FileLock(str(manager_of(request).registry.registry_path) + ".lock", thread_local=False)
    lock.acquire(timeout=request.get("timeoutSeconds", 5))
    file_locks["held"] = lock
    if "seconds" in request:
        timer = threading.Timer(request["seconds"], drop_file_lock, [request])
        timer.daemon = True
        timer.start()
    return {"lockFileExists": os.path.exists(lock.lock_file)}


def drop_file_lock(_request):
    lock = file_locks.pop("held", None)
    if lock is not None:
        lock.release()
    return {"dropped": lock is not None}


def count_up(request):
    """Counts in the metadata of an own name, each step first looking that the last one is still there."""
    registry, name = manager_of(request).registry, request["name"]
    before = registry.get_entry(name)
    start = before.metadata["counter"] if before else 0
    ids = {before.id} if before else set()
    for step in range(start + 1, start + request["times"] + 1):
        ids.add(registry.resolve(name, "node", metadata={"counter": step}, acquire_lock=False))
        found = registry.get_entry(name)
        if found is None or found.metadata.get("counter") != step:
            raise RuntimeError(f"lost update: {name} wrote {step}, read {found and found.metadata}")
    return {"counter": start + request["times"], "ids": sorted(ids)}


def write_forever(request):
    """Rewrites the whole file in a loop, to be killed in mid-write."""
    registry = manager_of(request).registry

    def loop():
        step = 0
        while True:
            step += 1
            registry.resolve(request["name"], "node", metadata={"step": step}, acquire_lock=False)

    threading.Thread(target=loop, daemon=True).start()


def resolve_unserialisable(request):
    """What one careless metadata value does to the reference: it opens the file for writing, then fails."""
    return manager_of(request).registry.resolve(
        request["name"], "node", metadata={"value": object()}, acquire_lock=False
    )


def fill_disk(request):
    """No file of this process may grow beyond `bytes` from now on: a full disk, for one process."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (request["bytes"], request["bytes"]))


def as_python_writes(request):
    """The text that the reference would write for what is in the file now."""
    registry = manager_of(request).registry._read()
    return json.dumps(registry.model_dump(mode="json"), indent=2, default=str)


def heartbeat_report(request):
    manager = manager_of(request)
    return {
        "failures": heartbeat_failures,
        "refreshes": manager.refreshes,
        "slowestRefreshMs": manager.slowest_refresh_ms,
    }


def crash(_request):
    os.kill(os.getpid(), signal.SIGKILL)


def on_registry(method, *keys):
    def run(request):
        given = {key: request[key] for key in keys if key in request}
        return getattr(manager_of(request).registry, method)(**given)

    return run


COMMANDS = {
    "open": open_manager,
    "resolve": resolve,
    "resolve_with_info": resolve_with_info,
    "release_all": lambda request: resolver_of(request).release_all(),
    "lookup": on_registry("lookup", "name"),
    "get_entry": lambda request: entry_json(manager_of(request).registry.get_entry(request["name"])),
    "refresh": on_registry("refresh_lock", "name"),
    "refresh_entry": refresh_entry,
    "can_acquire": can_acquire,
    "release": on_registry("release", "name"),
    "rename": on_registry("rename", "old_name", "new_name", "force"),
    "list": list_entries,
    "clean": on_registry("clean_stale", "older_than_days", "dry_run"),
    "export": on_registry("export"),
    "import": on_registry("import_entries", "data", "merge"),
    "start_heartbeat": lambda request: manager_of(request).locks.start_heartbeat(
        request["name"], manager_of(request).registry
    ),
    "stop_heartbeat": lambda request: manager_of(request).locks.stop_heartbeat(request["name"]),
    "stop_all_heartbeats": lambda request: manager_of(request).locks.stop_all_heartbeats(),
    "take_file_lock": take_file_lock,
    "drop_file_lock": drop_file_lock,
    "count_up": count_up,
    "write_forever": write_forever,
    "resolve_unserialisable": resolve_unserialisable,
    "fill_disk": fill_disk,
    "as_python_writes": as_python_writes,
    "heartbeat_report": heartbeat_report,
    "warnings": lambda _request: warnings_seen,
    "crash": crash,
}


def answer(request):
    started_ms, started = time.time() * 1000, time.monotonic()
    reply = {"id": request["id"], "startedMs": started_ms}
    try:
        reply |= {"ok": True, "result": plain(COMMANDS[request["cmd"]](request))}
    except BaseException as error:  # The test judges; nothing is swallowed.
        reply |= {"ok": False, "error": {"type": type(error).__name__, "message": str(error)}}
    send(reply | {"tookMs": (time.monotonic() - started) * 1000})


def main():
    recorder = WarningRecorder(level=logging.WARNING)
    logging.getLogger("madsci.common.registry").addHandler(recorder)
    send({"id": 0, "ok": True, "result": {"pid": os.getpid()}, "startedMs": time.time() * 1000, "tookMs": 0})
    for line in sys.stdin:
        request = json.loads(line)
        threading.Thread(target=answer, args=[request], daemon=True).start()


if __name__ == "__main__":
    main()
