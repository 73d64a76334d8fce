"""`axlab` imports and `%vm` works where pandas, matplotlib and the widget libraries are missing, as in a browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BLOCK = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {'pandas', 'numpy', 'matplotlib', 'ipywidgets', 'anywidget', 'pyarrow'}:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

sys.meta_path.insert(0, Missing())
"""
SESSION = """
import axlab
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

config = Config()
config.HistoryManager.enabled = False
ip = InteractiveShell(config=config)

def value(cell):
    result = ip.run_cell(cell)
    result.raise_error()
    return result.result

value('%load_ext axlab')
value('%vm create demo')
assert 'Three ticks are enough' in value('%vm start 0').text()
assert [row.name for row in value('%vm list')] == ['demo']
assert 'MmioWrite' in value('%vm exits 0').text()
value('%%guest mine\\nb .\\n')
for picture in ('states 0', 'console 0', 'map 0', 'cpu 0', 'irqs 0'):
    assert '<' in value('%axlab ' + picture)._repr_mimebundle_()['text/html'], picture
try:
    value('%axlab console 0 --live')
except axlab.errors.AxError as error:
    print(error)
"""


def test_axlab_and_vm_work_without_pandas_matplotlib_and_widgets(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + SESSION], capture_output=True, text=True, cwd=tmp_path, check=False,
        env={"PYTHONPATH": str(Path(__file__).parent.parent), "IPYTHONDIR": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    assert done.stdout.splitlines()[-1].startswith("a live view needs anywidget: python -m pip install anywidget")
