"""Which errors say that a memory is full: of torch, of the libraries of a GPU, and of Python. Imports no torch."""

import sys

GPU, MACHINE = "the GPU", "this machine"
TEXTS = {  # parts of a RuntimeError that is no OutOfMemoryError
    "_ALLOC_FAILED": GPU,  # of cuBLAS and cuDNN
    "CUDA error: out of memory": GPU,
    "DefaultCPUAllocator": MACHINE,
}


def full_memory(error: Exception) -> str:
    """Which memory is full according to an error: `GPU` or `MACHINE`; "" for an error of another kind."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return GPU
    if isinstance(error, MemoryError):
        return MACHINE
    return next((memory for text, memory in TEXTS.items() if text in str(error)), "")
