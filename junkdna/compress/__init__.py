"""Compressions, one file each: pure functions of weights and a level that return masks. `registry` is torch-free."""
