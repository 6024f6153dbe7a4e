"""The planner works where neither Qt nor VTK is installed, and the imports run one way."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_planner_imports_without_qt_and_vtk() -> None:
    """Every module of the planner, with Qt and VTK made unfindable."""
    code = """
import sys
for name in ("PySide6", "vtk", "vtkmodules", "pyvista"):
    sys.modules[name] = None
import importlib, pkgutil, planner
for module in pkgutil.walk_packages(planner.__path__, "planner."):
    importlib.import_module(module.name)
print("all")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "all", done.stderr
