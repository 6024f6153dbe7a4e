"""Set before Qt or VTK is imported: no screen, and software OpenGL. And what many tests share."""

import os
import tempfile

import pytest

from tests.data.coarse import CoarseExample, write_coarse_example

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")
# settings, caches and recovery of a test run are its own
os.environ["DURAPLAN_HOME"] = tempfile.mkdtemp(prefix="duraplan-test-")


@pytest.fixture(scope="session")
def coarse_example(tmp_path_factory: pytest.TempPathFactory) -> CoarseExample:
    """One coarse phantom for the whole run. Nobody writes into it."""
    return write_coarse_example(tmp_path_factory.mktemp("coarse"))


@pytest.fixture(scope="session", autouse=True)
def one_application(qapp: object) -> object:
    """The verbs make a smaller Qt application where there is none, on which no window can be shown afterwards; one serves a whole run."""
    return qapp
