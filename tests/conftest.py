"""Set before Qt or VTK is imported: no screen, and software OpenGL."""

import os
import tempfile

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkOSOpenGLRenderWindow")
# settings, caches and recovery of a test run are its own
os.environ["DURAPLAN_HOME"] = tempfile.mkdtemp(prefix="duraplan-test-")
