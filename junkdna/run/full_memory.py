"""Says what to do when the memory of a GPU, or of the machine, is full, in place of a library's message. Imports no
torch.

Training in a stack explains itself (`train.stack_memory`), because it can name a size that fits. This is for everything
else: loading, trying out whether a model can be stacked, compressing, training alone, and scoring.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from junkdna.errors import UserError, cause
from junkdna.models.memory_errors import GPU, MACHINE, full_memory

STAGES = {  # function of this package, the outermost of which counts -> what it does
    "load": "loading the model",
    "unstackable": "trying out whether its cells can be stacked",
    "compress": "compressing",
    "make_compressed": "compressing",
    "fine_tune": "training",
    "answers": "scoring",
}
TRAINING = (
    "Lower batch_size or max_length in the protocol (the numbers of a cell depend on them, so all its cells run again)"
)
FIXES = {
    GPU: "lower cells_per_gpu, end other programs that use the GPU (`nvidia-smi` names them), or use a larger one",
    MACHINE: "run fewer jobs at a time (`--cores`), end other programs, or use a machine with more memory",
}


@contextmanager
def explained_full_memory(what: str) -> Iterator[None]:
    """Turns the errors of torch and Python for full memory into a UserError that says `what` ran out of which memory,
    in what stage, and what to do. Other errors pass."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not (memory := full_memory(error)):
            raise
        stage = stage_of(error.__traceback__)
        fix = f"{TRAINING}, {FIXES[memory]}" if stage == "training" else FIXES[memory][0].upper() + FIXES[memory][1:]
        raise UserError(
            f"{what} ran out of the memory of {memory}{f' while {stage}' if stage else ''} ({cause(error)}). {fix}."
        ) from error


def stage_of(traceback: TracebackType | None) -> str:
    """The stage of `STAGES` in which an error was raised; "" if in none."""
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_globals.get("__name__", "").startswith("junkdna.") and frame.f_code.co_name in STAGES:
            return STAGES[frame.f_code.co_name]
        traceback = traceback.tb_next
    return ""
