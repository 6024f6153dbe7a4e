"""The quick blur of a whole scan against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from planner.anatomy.mr.blur import blurred


@pytest.mark.parametrize("sigma", [(1.0, 1.0, 1.0), (2.3, 0.0, 0.0), (0.6, 1.4, 0.9)])
def test_a_scan_is_blurred_as_scipy_blurs_it(sigma: tuple[float, float, float]) -> None:
    scan = np.random.default_rng(1).random((23, 31, 40), dtype=np.float32)
    before = scan.copy()
    assert np.allclose(blurred(scan, sigma), ndimage.gaussian_filter(scan, sigma), atol=1e-5)
    assert np.array_equal(scan, before)


def test_a_scan_of_a_few_slices_is_mirrored_beyond_them() -> None:
    scan = np.random.default_rng(2).integers(0, 900, (3, 17, 20)).astype(np.int16)
    assert np.allclose(blurred(scan, (2.0, 1.0, 1.0)), ndimage.gaussian_filter(scan.astype(np.float32), (2.0, 1.0, 1.0)), atol=0.01)
