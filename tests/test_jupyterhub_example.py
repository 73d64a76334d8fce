"""The example configuration for a class: JupyterHub reads it, and a student's server starts under its limits."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from traitlets.config.loader import PyFileConfigLoader

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs/examples/jupyterhub_config.py"
TOKEN = "a-token-for-this-test"

# What the test changes: no accounts of the system, and no proxy before the hub, which would be a program of node's.
CHANGES = """
import json
from jupyterhub.proxy import Proxy

load_subconfig({example!r})

class Routes(Proxy):
    should_start = False
    routes = {{}}
    async def add_route(self, routespec, target, data):
        self.routes[routespec] = {{"routespec": routespec, "target": target, "data": data}}
        with open({routes!r}, "w") as file:
            json.dump({{name: route["target"] for name, route in self.routes.items()}}, file)
    async def delete_route(self, routespec):
        self.routes.pop(routespec, None)
    async def get_all_routes(self):
        return self.routes

c.JupyterHub.proxy_class = Routes
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r} + "/{{username}}"
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.db_url = "sqlite:///" + {folder!r} + "/hub.sqlite"
c.JupyterHub.cookie_secret_file = {folder!r} + "/secret"
c.JupyterHub.services = [{{"name": "test", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [{{"name": "test", "services": ["test"],
    "scopes": ["admin:users", "admin:servers", "admin:server_state", "access:servers"]}}]
c.Spawner.cmd = [*c.Spawner.cmd[:-1], {python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = [*c.Spawner.args, "--allow-root"]
c.Spawner.http_timeout = c.Spawner.start_timeout = 120
"""


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of images and that of notebooks."""
    for name in ("images", "notebooks"):
        (tmp_path / name).mkdir(mode=0o755)
        monkeypatch.setenv(f"AXLAB_{name.upper()}", str(tmp_path / name))
    (tmp_path / "images/kernel.bin").write_bytes(b"a guest")
    (tmp_path / "images/kernel.bin").chmod(0o644)
    (tmp_path / "notebooks/00-welcome.ipynb").write_bytes((ROOT / "notebooks/00-welcome.ipynb").read_bytes())
    return tmp_path


def test_jupyterhub_knows_every_option_of_the_example(shared: Path) -> None:
    from jupyterhub.app import JupyterHub
    from jupyterhub.spawner import Spawner

    config = PyFileConfigLoader(str(EXAMPLE)).load_config()
    assert config.Spawner.mem_limit == 1 << 30
    assert config.JupyterHub.active_server_limit == 234
    for name, known in (("JupyterHub", JupyterHub), ("Spawner", Spawner)):
        assert set(config[name]) <= set(known.class_traits(config=True)), name


def test_jupyter_server_knows_every_option_for_culling(shared: Path) -> None:
    from jupyter_server.serverapp import ServerApp
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

    known = {kind.__name__: set(kind.class_traits(config=True)) for kind in (ServerApp, MappingKernelManager)}
    for option in PyFileConfigLoader(str(EXAMPLE)).load_config().Spawner.args:
        owner, _, trait = option.removeprefix("--").partition("=")[0].partition(".")
        assert trait in known[owner], option


def test_images_that_students_could_change_are_refused(shared: Path) -> None:
    (shared / "images/kernel.bin").chmod(0o666)
    with pytest.raises(SystemExit, match="kernel.bin can be changed by students"):
        PyFileConfigLoader(str(EXAMPLE)).load_config()


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def asked(url: str, method: str = "GET") -> Any:
    """The JSON that an API answers; None while nobody does."""
    request = urllib.request.Request(url, method=method, headers={"Authorization": f"token {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "{}")
    except (urllib.error.URLError, ConnectionError):
        return None


def until(condition: Callable[[], Any], hub: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> Any:
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert hub.poll() is None and time.monotonic() < ends, log.read_text()[-3000:]
        time.sleep(0.2)
    return found


@pytest.mark.slow
def test_a_student_gets_a_server_under_the_limits_of_the_example(
    shared: Path, needs: Callable[[str, str], str]
) -> None:
    needs("prlimit", "util-linux")
    public, port = free_ports(2)
    config, log, routes = shared / "config.py", shared / "hub.log", shared / "routes.json"
    config.write_text(
        CHANGES.format(
            example=str(EXAMPLE), routes=str(routes), homes=str(shared / "homes"), folder=str(shared),
            public=public, hub=port, token=TOKEN, python=sys.executable,
        )
    )  # fmt: skip
    api = f"http://127.0.0.1:{port}/hub/api"
    with log.open("wb") as output:
        hub = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(config)], cwd=shared, stdout=output, stderr=output
        )
    try:
        until(lambda: asked(f"{api}/"), hub, log)
        asked(f"{api}/users/alice", "POST")
        asked(f"{api}/users/alice/server", "POST")
        server = until(lambda: ready(api), hub, log)
        limits = Path(f"/proc/{server['state']['pid']}/limits").read_text()
        target = json.loads(routes.read_text())["/user/alice/"]
        listed = until(lambda: asked(f"{target}/user/alice/api/contents/axlab"), hub, log)
        asked(f"{api}/users/alice/server", "DELETE")
    finally:
        hub.terminate()
        hub.wait(timeout=60)
    assert f"{1 << 30}" in next(line for line in limits.splitlines() if line.startswith("Max data size"))
    assert sorted(entry["name"] for entry in listed["content"]) == ["00-welcome.ipynb", "images"]
    assert (shared / "homes/alice/axlab/images/kernel.bin").read_bytes() == b"a guest"


def ready(api: str) -> Any:
    """The server of alice, once it answers."""
    user = asked(f"{api}/users/alice?include_stopped_servers=1") or {}
    server = user.get("servers", {}).get("", {})
    return server if server.get("ready") else None
