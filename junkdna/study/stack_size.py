"""How many cells a GPU trains as one batched model (`train.stack`)."""

LARGEST = 256
BY_PARAMETERS = ((50_000_000, 16), (200_000_000, 8))  # at most this many parameters: so many cells


def stack_size(stack: int | str, parameters: int) -> int:
    """The size of a stack by the protocol's key `stack`; `auto` follows from the model's number of parameters alone,
    so that no result depends on a machine. Larger models are trained one by one."""
    if stack != "auto":
        return int(stack)
    return next((size for most, size in BY_PARAMETERS if parameters <= most), 1)
