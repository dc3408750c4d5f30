"""`docker compose` of the stand-in: compose files, and the commands on them."""

import json
import os
import re
import signal
import sys
import time

from service import RUN, STATE, Service, environment_of, fail, on_debian, start, stop


def say(text):
    # Docker reports progress on the error stream.
    sys.stderr.write(" " + text + "\n")


def load(project, path):
    try:
        with open(path) as file:
            services = json.load(file)["services"]
    except OSError as error:
        fail("open %s: %s" % (path, error.strerror.lower()), 14)
    except (ValueError, KeyError, TypeError):
        fail("%s: the stand-in reads compose files that are JSON and have `services`" % path, 15)
    for name, spec in services.items():
        check(path, name, spec)
    return [Service(project, name, spec) for name, spec in services.items()]


def check(path, name, spec):
    if not spec.get("entrypoint") and not spec.get("command"):
        fail("%s: service %s: the stand-in has no images, so it needs a `command`" % (path, name), 15)
    if not re.fullmatch(r"(\d+(:\d+)?)?", str(spec.get("user", ""))):
        fail("%s: service %s: the stand-in knows a `user` by number only" % (path, name), 15)
    if spec.get("network_mode") != "host":
        fail("%s: service %s: the stand-in knows `network_mode: host` only" % (path, name), 15)
    for volume in spec.get("volumes", []):
        parts = volume.split(":") if isinstance(volume, str) else []
        if len(parts) < 2 or parts[0] != parts[1]:
            fail("%s: service %s: a volume must have one path inside and outside" % (path, name), 15)


def record(project):
    return "%s/%s.json" % (STATE, project)


def remember(project, path):
    os.makedirs(STATE, exist_ok=True)
    with open(record(project) + ".new", "w") as file:
        json.dump({"file": os.path.abspath(path)}, file)
    os.rename(record(project) + ".new", record(project))


def running(project):
    """Services of the project that a supervisor keeps, by the names of their files."""
    prefix = project + "-"
    names = os.listdir(RUN) if os.path.isdir(RUN) else []
    found = [n[len(prefix) : -len("-1.pid")] for n in names if n.startswith(prefix) and n.endswith("-1.pid")]
    return [Service(project, name, {}) for name in found]


def up(project, path, options):
    if not {"-d", "--detach", "--wait"} & set(options):
        fail("the stand-in starts services in the background only: add -d")
    services = load(project, path)
    remember(project, path)
    if "--remove-orphans" in options:
        for orphan in running(project):
            if orphan.name not in [service.name for service in services]:
                stop(orphan)
                say("Container %s  Removed" % orphan.container)
    for service in services:
        status = service.status()
        if status and status["definition"] == service.definition and "--force-recreate" not in options:
            say("Container %s  Running" % service.container)
            continue
        stop(service)
        start(service)
        say("Container %s  Started" % service.container)
    if "--wait" in options:
        for service in services:
            wait_up(service)


def wait_up(service):
    """A service that is still the same process after 300 ms counts as up."""
    first = service.status()
    time.sleep(0.3)
    now = service.status()
    if not first or not now or not now["pid"] or now["pid"] != first["pid"]:
        code = (now or {}).get("code", 1)
        fail("container %s exited (%s)\n%s" % (service.container, code, tail(service, 20)))
    say("Container %s  Healthy" % service.container)


def down(project, path, options):
    for service in running(project):
        stop(service)
        say("Container %s  Removed" % service.container)
    if os.path.exists(record(project)):
        os.unlink(record(project))


def restart(project, path, options):
    services = load(project, path)
    for service in pick(services, options):
        stop(service)
        start(service)
        say("Container %s  Started" % service.container)


def kill(project, path, options):
    name = "KILL"
    if "-s" in options:
        at = options.index("-s")
        name = options[at + 1]
        options = options[:at] + options[at + 2 :]
    number = getattr(signal, "SIG" + name.removeprefix("SIG"))
    for service in pick(load(project, path), options):
        os.kill(main_pid(service), number)
        say("Container %s  Killed" % service.container)


def execute(project, path, options):
    while options and options[0].startswith("-"):
        options = options[1:]
    if len(options) < 2:
        fail("`exec` needs a service and a command")
    service = pick(load(project, path), options[:1])[0]
    main_pid(service)
    argv = on_debian(options[1:])
    try:
        os.execvpe(argv[0], argv, environment_of(service))
    except OSError as error:
        fail("exec: %s: %s" % (argv[0], error.strerror), 127)


def logs(project, path, options):
    wanted = [option for option in options if not option.startswith("-")]
    for service in pick(load(project, path), wanted):
        sys.stdout.write(tail(service, None))


def ps(project, path, options):
    rows = [describe(service) for service in running(project) if service.status()]
    if "json" in options or "--format=json" in options:
        for row in rows:
            print(json.dumps(row))
        return
    print("NAME                 SERVICE    STATUS")
    for row in rows:
        print("%-20s %-10s %s" % (row["Name"], row["Service"], row["Status"]))


def describe(service):
    state, status = service.state(), service.status() or {}
    return {
        "Name": service.container,
        "Service": service.name,
        "Project": service.project,
        "State": state,
        "Status": "Up" if state == "running" else "Restarting",
        "Health": "",
        "ExitCode": 0 if state == "running" else status.get("code", 0),
    }


def main_pid(service):
    status = service.status()
    if not status or not status["pid"]:
        fail('service "%s" is not running' % service.name)
    return status["pid"]


def pick(services, names):
    known = {service.name: service for service in services}
    for name in names:
        if name not in known:
            fail("no such service: %s" % name)
    return [known[name] for name in names] or services


def tail(service, lines):
    text = []
    for path in service.logs():
        with open(path, errors="replace") as file:
            text += file.readlines()
    return "".join(text if lines is None else text[-lines:])


COMPOSE = {
    "up": up,
    "down": down,
    "stop": down,
    "restart": restart,
    "kill": kill,
    "exec": execute,
    "logs": logs,
    "ps": ps,
    "pull": lambda *_: None,
}


def run(words):
    """Carries out what is no mere question."""
    try:
        if words[:1] == ["compose"]:
            compose(words[1:])
        elif words[:1] == ["ps"]:
            for name in sorted(os.listdir(RUN) if os.path.isdir(RUN) else []):
                print(name.removesuffix(".pid"))
        elif words[:1] == ["standin-boot"]:
            boot()
        else:
            fail("the stand-in knows: docker version, info, ps, compose", 16)
    except IndexError:
        fail("a value is missing after the last flag", 16)


def compose(words):
    project, path = "default", "docker-compose.yml"
    while words and words[0].startswith("-"):
        option, words = words[0], words[1:]
        if option in ("-f", "--file"):
            path, words = words[0], words[1:]
        elif option in ("-p", "--project-name"):
            project, words = words[0], words[1:]
        else:
            fail("unknown flag: %s" % option, 16)
    verb, options = (words or ["help"])[0], words[1:]
    if verb not in COMPOSE:
        fail("the stand-in knows of `docker compose`: version, %s" % ", ".join(COMPOSE), 16)
    COMPOSE[verb](project, path, options)


def boot():
    """Starts again what ran when the power went."""
    for name in sorted(os.listdir(STATE) if os.path.isdir(STATE) else []):
        if name.endswith(".json"):
            with open("%s/%s" % (STATE, name)) as file:
                up(name[: -len(".json")], json.load(file)["file"], ["-d"])
