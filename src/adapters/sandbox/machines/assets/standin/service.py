"""Services of the stand-in for Docker: processes of the machine, each kept by a supervisor."""

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
        """What the supervisor last wrote: {supervisor, pid, since, definition, restarts, code}, or None."""
        try:
            with open(self.pidfile) as file:
                status = json.load(file)
        except (OSError, ValueError):
            return None
        return status if alive(status["supervisor"]) else None

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
    command = service.spec["command"]
    if isinstance(command, str):
        import shlex  # Costs more than all the rest, and few files need it.

        command = shlex.split(command)
    return with_modules(command)


def with_modules(argv):
    """Debian's nginx loads Lua as a module; the image that this stands in for has it built in."""
    if os.path.basename(argv[0]) != "nginx":
        return argv
    load = " ".join("load_module /usr/lib/nginx/modules/%s;" % module for module in NGINX_MODULES)
    if "-g" in argv[:-1]:
        at = argv.index("-g") + 1
        return argv[:at] + [load + " " + argv[at]] + argv[at + 1 :]
    return argv + ["-g", load]


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
    log = os.open(service.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    null = os.open("/dev/null", os.O_RDONLY)
    for stream, file in ((0, null), (1, log), (2, log)):
        os.dup2(file, stream)
    os.chdir("/")
    stopping, child, restarts = [], None, 0

    def note(pid, code=0):
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
                child = subprocess.Popen(argv_of(service), env=environment_of(service), start_new_session=True)
            except OSError as error:
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
            note(0, code)
            lived = time.monotonic() - begun
            time.sleep(0.1 if lived > 10 else min(10, 0.1 * 2 ** min(restarts, 7)))
    except Stopped:
        pass
    if os.path.exists(service.pidfile):
        os.unlink(service.pidfile)
    # Not sys.exit: the buffers of the program that forked us are not ours to flush.
    os._exit(0)


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
