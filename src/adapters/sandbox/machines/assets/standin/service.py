"""Services of the stand-in for Docker: processes of the machine, each kept by a supervisor."""

import _thread
import json
import os
import signal
import subprocess
import sys
import time

STATE = "/var/lib/docker/standin"
RUN = "/run/docker-standin"
NGINX_MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")
STOP_SECONDS = 10


def fail(text, code=1):
    sys.stderr.write(text + "\n")
    sys.exit(code)


class Service:
    def __init__(self, project, name, spec):
        self.project, self.name, self.spec = project, name, spec
        self.container = "%s-%s-1" % (project, name)
        self.log = "%s/%s.log" % (STATE, self.container)
        self.pidfile = "%s/%s.pid" % (RUN, self.container)
        self.definition = json.dumps(spec, sort_keys=True)

    def status(self):
        """What the supervisor last wrote: {supervisor, pid, since, definition, restarts, code}, or None.

        `code` is that of the last end, 0 before the first."""
        try:
            with open(self.pidfile) as file:
                status = json.load(file)
        except (OSError, ValueError):
            return None
        return status if alive(status["supervisor"]) else None

    def logs(self):
        """The files of the log, the oldest first."""
        options = (self.spec.get("logging") or {}).get("options") or {}
        names = [self.log] + ["%s.%d" % (self.log, n) for n in range(1, int(options.get("max-file", 1)))]
        return [name for name in reversed(names) if os.path.exists(name)]

    def state(self):
        status = self.status()
        if not status:
            return "exited"
        return "running" if status["pid"] else "restarting"


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def argv_of(service):
    return on_debian(words(service.spec.get("entrypoint")) + words(service.spec.get("command")))


def words(given):
    if isinstance(given, str):
        import shlex  # Costs more than all the rest, and few files need it.

        return shlex.split(given)
    return given or []


def on_debian(argv):
    """The command for the programs of Debian, where they want other words than those of the image."""
    names = [os.path.basename(word) for word in argv]
    if names[0] == "v2ray" and argv[1:3] == ["run", "-c"]:
        return [argv[0], "-config"] + argv[3:]
    if names[0] == "nginx" or (names[0] == "setpriv" and "nginx" in names):
        return with_modules(argv)
    return argv


def with_modules(argv):
    """Debian's nginx loads Lua as a module; the image that this stands in for has it built in."""
    load = " ".join("load_module /usr/lib/nginx/modules/%s;" % module for module in NGINX_MODULES)
    if "-g" in argv[:-1]:
        at = argv.index("-g") + 1
        return argv[:at] + [load + " " + argv[at]] + argv[at + 1 :]
    return argv + ["-g", load]


def identity_of(user):
    """Arguments of Popen for `user` of a service: `uid:gid`; without it, the process stays root."""
    if not user:
        return {}
    uid, _, gid = str(user).partition(":")
    return {"user": int(uid), "group": int(gid or uid), "extra_groups": []}


def environment_of(service):
    given = service.spec.get("environment") or {}
    if isinstance(given, list):
        given = dict(item.split("=", 1) for item in given if "=" in item)
    return {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin"), **{k: str(v) for k, v in given.items()}}


def start(service):
    os.makedirs(RUN, exist_ok=True)
    os.makedirs(STATE, exist_ok=True)
    ready, done = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.close(ready)
            supervise(service, done)
        os._exit(0)
    os.wait()
    os.close(done)
    error = os.read(ready, 4096).decode()
    os.close(ready)
    if error:
        fail("Error response from daemon: %s" % error)


def supervise(service, done):
    log = Log(service)
    null = os.open("/dev/null", os.O_RDONLY)
    for stream, file in ((0, null), (1, log.pipe), (2, log.pipe)):
        os.dup2(file, stream)
    os.close(log.pipe)
    os.chdir("/")
    stopping, child, restarts, code = [], None, 0, 0

    def note(pid):
        status = {"supervisor": os.getpid(), "pid": pid, "since": time.time(), "restarts": restarts}
        with open(service.pidfile + ".new", "w") as file:
            json.dump({**status, "definition": service.definition, "code": code}, file)
        os.rename(service.pidfile + ".new", service.pidfile)

    def stop(*_):
        stopping.append(1)
        if not child:
            raise Stopped
        child.send_signal(signal.SIGTERM)
        signal.alarm(STOP_SECONDS)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGALRM, lambda *_: end_group(child.pid))
    try:
        while not stopping:
            begun = time.monotonic()
            try:
                child = subprocess.Popen(
                    argv_of(service),
                    env=environment_of(service),
                    start_new_session=True,
                    **identity_of(service.spec.get("user")),
                )
            except (OSError, subprocess.SubprocessError) as error:
                # Told to whoever waits for the first start; later there is only the log.
                os.write(2 if done is None else done, str(error).encode())
                break
            note(child.pid)
            if done is not None:
                os.close(done)
                done = None
            code = child.wait()
            end_group(child.pid)
            child = None
            if stopping or service.spec.get("restart", "no") in ("no", False):
                break
            restarts += 1
            note(0)
            lived = time.monotonic() - begun
            time.sleep(0.1 if lived > 10 else min(10, 0.1 * 2 ** min(restarts, 7)))
    except Stopped:
        pass
    log.close()
    if os.path.exists(service.pidfile):
        os.unlink(service.pidfile)
    # Not sys.exit: the buffers of the program that forked us are not ours to flush.
    os._exit(0)


class Log:
    """What the service says, kept as its `logging` wants it: at most `max-file` files of `max-size` bytes."""

    def __init__(self, service):
        options = (service.spec.get("logging") or {}).get("options") or {}
        self.path, self.size = service.log, bytes_of(options.get("max-size"))
        self.files = int(options.get("max-file", 1))
        self.file = self.open()
        self.read, self.pipe = os.pipe()
        self.done = _thread.allocate_lock()
        self.done.acquire()
        _thread.start_new_thread(self.copy, ())

    def open(self):
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)

    def copy(self):
        while chunk := os.read(self.read, min(65536, self.size or 65536)):
            if self.size and os.fstat(self.file).st_size + len(chunk) > self.size:
                self.rotate()
            os.write(self.file, chunk)
        self.done.release()

    def rotate(self):
        os.close(self.file)
        names = [self.path] + ["%s.%d" % (self.path, number) for number in range(1, self.files)]
        for newer, older in reversed(list(zip(names, names[1:]))):
            if os.path.exists(newer):
                os.rename(newer, older)
        if self.files == 1:
            os.unlink(self.path)
        self.file = self.open()

    def close(self):
        """Waits until the last words are kept; a process that left the group may hold the pipe for longer."""
        os.close(1)
        os.close(2)
        self.done.acquire(timeout=1)


def bytes_of(text):
    if not text:
        return None
    unit = {"k": 1024, "m": 1024**2, "g": 1024**3}.get(text[-1].lower())
    return int(text[:-1]) * unit if unit else int(text)


def end_group(pid):
    """What the main process leaves behind ends too, as it would with a container."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Stopped(Exception):
    """The order to stop came while the service was down anyway."""


def stop(service):
    status = service.status()
    if not status:
        return
    os.kill(status["supervisor"], signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS + 2
    while alive(status["supervisor"]) and time.monotonic() < deadline:
        time.sleep(0.01)
