"""Compression methods, one file each: pure functions of weights, statistics and a level. `registry` is torch-free."""
