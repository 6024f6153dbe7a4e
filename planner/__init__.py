"""The knowledge of Duraplan: numpy, compiled kernels, frozen values and pure functions. No Qt, no VTK, no threads."""
