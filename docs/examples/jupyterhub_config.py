"""JupyterHub for a class: an example to start from. docs/class.md explains it.

    pip install 'axlab[lab,scale]' jupyterhub
    npm install -g configurable-http-proxy
    jupyterhub -f jupyterhub_config.py

Everything that a class decides stands in the first lines.
"""

import os
import shutil
import stat
from pathlib import Path

MACHINE = 64 << 30  # bytes of memory that students may have in all: the machine's without the system's share
STUDENT = 1 << 30  # bytes that one process of a student may have
EXPECTED = 280 << 20  # bytes that a student at work needs: docs/class.md says how to measure it
IMAGES = Path(os.environ.get("AXLAB_IMAGES", "/srv/axlab/images"))  # guests that all share, and nobody writes
NOTEBOOKS = Path(os.environ.get("AXLAB_NOTEBOOKS", "/srv/axlab/notebooks"))  # what every student gets a copy of
PROCESSES = 200  # of one student
KERNEL_IDLE = 20 * 60  # seconds after which a kernel that does nothing is ended
SERVER_IDLE = 60 * 60  # seconds after which a server without a kernel is ended

c = get_config()  # noqa: F821

# Who may come in: everybody with an account on this machine. A class of a university has an authenticator of its own.
c.Authenticator.allow_all = True
c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # the web server before it brings TLS
c.JupyterHub.active_server_limit = MACHINE // EXPECTED
c.JupyterHub.concurrent_spawn_limit = 10

# What a student may use. prlimit holds for each process, and needs nothing else. Spawners that know cgroups or
# containers (systemd, Docker, Kubernetes) enforce mem_limit and cpu_limit for all processes of a student together.
c.Spawner.cmd = ["prlimit", f"--data={STUDENT}", f"--nproc={PROCESSES}", "jupyterhub-singleuser"]
c.Spawner.mem_limit = STUDENT
c.Spawner.cpu_limit = 1
c.Spawner.environment = {
    "LOKY_MAX_CPU_COUNT": "1",  # worker processes of a sweep
    "OMP_NUM_THREADS": "1",
}

# What is not used goes: first kernels, then the server. Notebooks are on disk, and labs begin anew.
c.Spawner.args = [
    f"--MappingKernelManager.cull_idle_timeout={KERNEL_IDLE}",
    "--MappingKernelManager.cull_interval=60",
    "--MappingKernelManager.cull_connected=True",
    f"--ServerApp.shutdown_no_activity_timeout={SERVER_IDLE}",
]
c.Spawner.default_url = "/lab/tree/axlab/00-welcome.ipynb"
c.JupyterHub.shutdown_on_logout = True


def check_images():
    """The shared folder is the same for all, so nobody but its owner may be able to change it."""
    for path in (IMAGES, *IMAGES.rglob("*")):
        if path.is_symlink() or path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise SystemExit(f"{path} can be changed by students, or leads elsewhere: chmod -R a+rX,go-w {IMAGES}")


def prepare(spawner):
    """Before a student's server starts: a folder with the notebooks, and the images beside them."""
    home = Path(getattr(spawner, "home_dir", None) or os.path.expanduser(f"~{spawner.user.name}"))
    work = home / "axlab"
    if work.is_symlink() or (work.exists() and not work.is_dir()):
        raise RuntimeError(f"{work} is no folder")
    made = [path for path in (home, work) if not path.exists()]
    work.mkdir(parents=True, exist_ok=True)
    for notebook in NOTEBOOKS.glob("*.ipynb"):
        mine = work / notebook.name
        if not os.path.lexists(mine):  # what a student has changed stays
            shutil.copyfile(notebook, mine, follow_symlinks=False)
            made.append(mine)
    if not os.path.lexists(work / "images"):
        (work / "images").symlink_to(IMAGES)
    if os.geteuid() == 0 and not hasattr(spawner, "home_dir_template"):
        for path in made:
            shutil.chown(path, spawner.user.name)


check_images()
c.Spawner.pre_spawn_hook = prepare
