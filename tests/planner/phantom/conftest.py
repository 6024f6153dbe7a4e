"""Phantoms that several tests look at; each is built once."""

import pytest

from planner.phantom import Phantom, PhantomParameters, build


@pytest.fixture(scope="session")
def fine() -> Phantom:
    """The default patient, 1 mm."""
    return build(PhantomParameters(spacing_mm=(1.0, 1.0, 1.0)))


@pytest.fixture(scope="session")
def coarse() -> Phantom:
    """The default patient, 2 mm."""
    return build(PhantomParameters(spacing_mm=(2.0, 2.0, 2.0)))
