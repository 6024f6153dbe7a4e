"""The compiled inner loops of sampling. Apart, so that importing the geometry does not import numba."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def trilinear_points(voxels, index, out):  # type: ignore[no-untyped-def]
    nk, nj, ni = voxels.shape
    for n in range(index.shape[0]):
        k, j, i = index[n, 0], index[n, 1], index[n, 2]
        if not (-0.5 <= k <= nk - 0.5 and -0.5 <= j <= nj - 0.5 and -0.5 <= i <= ni - 0.5):
            out[n] = np.nan
            continue
        k = min(max(k, 0.0), nk - 1.0)
        j = min(max(j, 0.0), nj - 1.0)
        i = min(max(i, 0.0), ni - 1.0)
        k0, j0, i0 = min(int(k), max(nk - 2, 0)), min(int(j), max(nj - 2, 0)), min(int(i), max(ni - 2, 0))
        k1, j1, i1 = min(k0 + 1, nk - 1), min(j0 + 1, nj - 1), min(i0 + 1, ni - 1)
        fk, fj, fi = k - k0, j - j0, i - i0
        a = voxels[k0, j0, i0] * (1 - fi) + voxels[k0, j0, i1] * fi
        b = voxels[k0, j1, i0] * (1 - fi) + voxels[k0, j1, i1] * fi
        c = voxels[k1, j0, i0] * (1 - fi) + voxels[k1, j0, i1] * fi
        d = voxels[k1, j1, i0] * (1 - fi) + voxels[k1, j1, i1] * fi
        out[n] = (a * (1 - fj) + b * fj) * (1 - fk) + (c * (1 - fj) + d * fj) * fk


@njit(cache=True, nogil=True)
def nearest_grid(voxels, matrix, offset, fill, out):  # type: ignore[no-untyped-def]
    nk, nj, ni = voxels.shape
    for a in range(out.shape[0]):
        for b in range(out.shape[1]):
            for c in range(out.shape[2]):
                k = int(np.floor(matrix[0, 0] * a + matrix[0, 1] * b + matrix[0, 2] * c + offset[0] + 0.5))
                j = int(np.floor(matrix[1, 0] * a + matrix[1, 1] * b + matrix[1, 2] * c + offset[1] + 0.5))
                i = int(np.floor(matrix[2, 0] * a + matrix[2, 1] * b + matrix[2, 2] * c + offset[2] + 0.5))
                if 0 <= k < nk and 0 <= j < nj and 0 <= i < ni:
                    out[a, b, c] = voxels[k, j, i]
                else:
                    out[a, b, c] = fill


@njit(cache=True, nogil=True)
def trilinear_slab(voxels, matrix, offset, fill, whole, out):  # type: ignore[no-untyped-def]
    nk, nj, ni = voxels.shape
    for b in range(out.shape[0]):
        for c in range(out.shape[1]):
            k = matrix[0, 1] * b + matrix[0, 2] * c + offset[0]
            j = matrix[1, 1] * b + matrix[1, 2] * c + offset[1]
            i = matrix[2, 1] * b + matrix[2, 2] * c + offset[2]
            if not (-0.5 <= k <= nk - 0.5 and -0.5 <= j <= nj - 0.5 and -0.5 <= i <= ni - 0.5):
                out[b, c] = fill
                continue
            k = min(max(k, 0.0), nk - 1.0)
            j = min(max(j, 0.0), nj - 1.0)
            i = min(max(i, 0.0), ni - 1.0)
            k0, j0, i0 = min(int(k), max(nk - 2, 0)), min(int(j), max(nj - 2, 0)), min(int(i), max(ni - 2, 0))
            k1, j1, i1 = min(k0 + 1, nk - 1), min(j0 + 1, nj - 1), min(i0 + 1, ni - 1)
            fk, fj, fi = k - k0, j - j0, i - i0
            w = voxels[k0, j0, i0] * (1 - fi) + voxels[k0, j0, i1] * fi
            x = voxels[k0, j1, i0] * (1 - fi) + voxels[k0, j1, i1] * fi
            y = voxels[k1, j0, i0] * (1 - fi) + voxels[k1, j0, i1] * fi
            z = voxels[k1, j1, i0] * (1 - fi) + voxels[k1, j1, i1] * fi
            value = (w * (1 - fj) + x * fj) * (1 - fk) + (y * (1 - fj) + z * fj) * fk
            out[b, c] = np.rint(value) if whole else value
