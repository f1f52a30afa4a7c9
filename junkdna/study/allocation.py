"""Allocations: how a sparsity is divided among the transformer blocks, as a study writes them. Imports no torch.

allocation   text in names   value
uniform      (none)          "uniform", the default: the same sparsity in every block
owl          owl             "owl": outlier-weighed layerwise sparsity
a list       3+5+7           [3, 5, 7]: relative sparsities of the blocks, in model order
"""

from collections.abc import Iterable, Mapping

from junkdna.errors import UserError, short_repr, unknown_name
from junkdna.study.levels import LEVEL_KINDS, Level, exact
from junkdna.study.methods import METHODS, SCOPE_OPTIONS, Method

ALLOCATIONS = ("uniform", "owl")
OWL_OPTIONS = ("owl_threshold", "owl_lambda")

LARGEST = 1e6  # relative sparsity in a list

Allocation = str | list[float]


def check_allocation(value: object) -> None:
    """Raises UserError unless a value is a name of `ALLOCATIONS` or a list of numbers of which one is above 0."""
    if isinstance(value, str) and value not in ALLOCATIONS:
        raise UserError(f"{unknown_name('allocation', value, ALLOCATIONS)} Or list one number for each block")
    if not isinstance(value, str | list):
        raise UserError(f"allocation {short_repr(value)} must be uniform, owl, or a list of one number for each block")
    if isinstance(value, list):
        for number in value:
            _check_number(number)
        if not any(value):
            raise UserError("allocation lists no number above 0; omit it for the same sparsity in every block")


def _check_number(number: object) -> None:
    if type(number) not in (int, float) or not 0 <= number <= LARGEST:
        raise UserError(
            f"allocation: {short_repr(number)} is no relative sparsity; list numbers from 0 to {LARGEST:g}, such as 3 "
            "and 5 for blocks of which the second loses 5/3 of what the first does"
        )
    if float(number_text(number)) != number:
        raise UserError(f"allocation: {number} has more than six digits, too many for a file name; round it")


def check_fit(method: Method, options: Mapping[str, object], levels: Iterable[tuple[str, Level]]) -> None:
    """Raises UserError if the options on allocation do not fit the method, its levels or each other.

    OWL moves no block's sparsity by more than lambda, so it reaches a sparsity s if lambda <= s <= 1 - lambda. Whether
    a list reaches it depends on the sizes of the blocks (`compress.allocation.list_sparsities`).
    """
    allocation = options.get("allocation", "uniform")
    if unread := [name for name in OWL_OPTIONS if name in options and allocation != "owl"]:
        raise UserError(f"option {unread[0]} is read with allocation: owl only; add it, or remove {unread[0]}")
    if allocation != "uniform":
        _check_method(method)
        for kind, level in levels:
            _check_level(kind, level, options)
    if method.allocates and not method.statistics and ("calibration" in options) != (allocation == "owl"):
        raise UserError(
            f"method {method.name} needs calibration, the name of one of the study's calibrations, with allocation: "
            "owl only. Set both or neither"
        )


def _check_method(method: Method) -> None:
    able = ", ".join(sorted(name for name, each in METHODS.items() if each.allocates))
    if method.guarantee == "model":
        raise UserError(
            f"method {method.name} has no allocation: it chooses among the weights of all matrices, so the blocks' "
            f"shares follow from its rule. Use magnitude_layer, or another of {able}"
        )
    if not method.allocates:
        raise UserError(f"method {method.name} has no allocation: it takes no sparsity to divide. Use one of {able}")


def _check_level(kind: str, level: Level, options: Mapping[str, object]) -> None:
    if kind != "sparsity":
        raise UserError(
            "allocation needs a sparsity: with keep and of, every group loses the same number of weights in every "
            "block. Use sparsity, or remove allocation"
        )
    if options["allocation"] != "owl" or LEVEL_KINDS[kind].is_identity(level):
        return
    width = options.get("owl_lambda", SCOPE_OPTIONS["owl_lambda"].default)
    reach = min(exact(level), 1 - exact(level))
    if exact(width) > reach:
        raise UserError(
            f"allocation: owl cannot reach sparsity {level:g}: sparsities of blocks are from {level:g} - {width:g} to "
            f"{level:g} + {width:g} (owl_lambda), which must be in 0..1; use an owl_lambda up to {float(reach):g}, or "
            "another sparsity"
        )


def number_text(number: float) -> str:
    """A number of a list as in names."""
    return f"{number:.6g}"


def read_allocation(text: str) -> Allocation:
    """The value of an allocation's text in names. Raises ValueError for text that is no number or name."""
    return text if text in ALLOCATIONS else [float(each) for each in text.split("+")]
