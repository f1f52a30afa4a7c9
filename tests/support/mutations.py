"""Study and task files with something wrong in them: random changes of real ones, as a tree and as text."""

import copy
import datetime

import toy
import yaml
from hypothesis import strategies as st
from project import ROOT

PWNED = "PWNED"  # a file of this name is made where something of a study was run
NESTED: list = []
for _ in range(60):
    NESTED = [NESTED]


def _bomb(line: str, width: int) -> bytes:
    """Aliases of aliases, or merges of merges, that stand for `width` to the power of 11 values."""
    name = line[0]
    lines = [line.format(i, ",".join([f"*{name}{i - 1}"] * width)) for i in range(1, 12)]
    return "".join([f"{name}0: &{name}0 {{x: 1}}\n", *lines]).encode()


WORDS = [
    "", " ", "-", "-rf", "none", "dense", "passage", "tiny", "mood", "train", "../x", "../../x", "/etc/passwd", "~",
    "~nobody-here/x",
    "a/b", "a\\b", "a*", "*", "**", "**/x", "a**b", "[", "a[0]", "?", "{x}", "{", "}", "{text}", "{text!r}",
    "{a.b[0]}", "%s", "a\nb", "\t",
    "\x00", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202eabc", "\ufeff", "\ud800", "ü", "日本語", "e\u0301", "💥",
    "x" * 81, "y" * 300,
    "z" * 5000, f"$(touch {PWNED})", f"; touch {PWNED}", f"`touch {PWNED}`", f"' ; touch {PWNED} '",
    f"\n touch {PWNED}", "null", "~", "1e999",
    "(", "(?P<a>x)", "a{99999999999}", "(" * 500 + ")" * 500, "(?<=", "2024-01-01", "0", "1", "no", "1_000",
]  # fmt: skip
SCALARS: list = [
    None, True, False, 0, 1, -1, 2, 4, 64, 0.5, 0.1234567, 1.5, -0.0, 10**9, 2**31, 2**63, 2**64, 10**30, 10**5000,
    -(10**400), 1e308,
    5e-324, float("nan"), float("inf"), -float("inf"), datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1, 2, 3),
    b"bytes",
    [], {}, [[]], [None], {"": None}, {1: 2}, {None: 1}, NESTED, ["a"] * 2000, list(range(3000)),
    {f"k{i}": i for i in range(2000)}, *WORDS,
]  # fmt: skip
KEYS = [
    "study", "models", "tasks", "experiments", "protocols", "calibrations", "wheels", "run", "knobs", "context",
    "options", "shots",
    "answer_span", "data_fraction", "sparsity", "keep", "of", "bits", "rank", "band", "group", "layers",
    "allocation", "owl_lambda", "calibration", "method", "kind",
    "wheel", "local", "hub", "path", "file", "folder", "source", "seeds", "transfer", "title", "optional", "labels",
    "columns",
    "extract", "map", "fill", "splits", "hash_split", "<<", "__use_yte__", "__class__", "model_config", *WORDS, 0, 1,
    None, True, 1.5,
]  # fmt: skip
ACTIONS = ["delete", "rename", "double", "replace", "replace", "wrap", "insert", "swap", *["nudge"] * 7, *["graft"] * 7]
SNIPPETS = [
    b"\t", b"  ", b"\n", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\x1b[2J",
    b"\xe2\x80\xa8", b"\xc2\x85",
    b": ", b"- ", b"? ", b"{", b"}", b"[", b"]", b",", b"'", b'"', b"#", b"|\n", b">\n", b"%", b"@", b"`", b"!",
    b"!!str ", b"!!int ",
    b"!!float ", b"!!bool ", b"!!binary ", b"!!timestamp ", b"!!set ", b"!!omap ", b"!!pairs ", b"!!null ",
    b"!!merge ", b"!x ", b"&a ", b"*a", b"&a [*a]",
    b"<<: *a\n", b"<<: {", b"---\n", b"...\n", b"%YAML 9.9\n---\n", b"%TAG ! !!python/\n---\n", b"0x" + b"f" * 5000,
    b"9" * 5000,
    b"1" + b":59" * 3000, b"1" + b":59" * 3000 + b".5", b"[" * 2000, b"- " * 2000, b"{a: " * 100,
    b"'" + b"x" * 3000 + b"'", b".nan", b".inf", b"2024-99-99",
    f"!!python/object/apply:os.system ['touch {PWNED}']".encode(),
    f"!!python/object/new:os.system ['touch {PWNED}']".encode(),
    b"!!python/name:os.system", b"__use_yte__: true\n", f"?__import__('os').system('touch {PWNED}')".encode(),
    _bomb("b{0}: &b{0} [{1}]\n", 9), _bomb("m{0}: &m{0} {{<<: [{1}]}}\n", 9),
    b"# " + b"x" * 600_000,
]  # fmt: skip


def studies() -> dict[str, dict]:
    """The studies of the project and of the toy world, by name."""
    files = [ROOT / "config.yaml", *sorted((ROOT / "workflow/studies").glob("*.yaml"))]
    found = {file.name: yaml.safe_load(file.read_text()) for file in files}
    return found | {f"toy {study['study']}": study for study in (toy.STUDY, toy.SETTINGS, toy.METHODS)}


def tasks() -> dict[str, dict]:
    """The task files of the package and of the toy world, by the task's name."""
    made = (toy.CHOICE_TASK, toy.CLASSIFY_TASK, toy.HUES_TASK, toy.NAMED_TASK, toy.ALIKE_TASK, toy.DEGREE_TASK)
    files = sorted((ROOT / "junkdna/tasks").glob("*.yaml"))
    return {file.stem: yaml.safe_load(file.read_text()) for file in files} | {task["name"]: task for task in made}


def _grafts(tree: object, found: dict[object, list]) -> dict[object, list]:
    """Every value that stands under a key, somewhere in a tree."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        found.setdefault(key, []).append(value)
        _grafts(value, found)
    return found


def study_of(task: dict, file: str) -> dict:
    """A study that uses one task file in as many ways as its kind allows."""
    models = {"enc": {"kind": "encoder", "local": "model"}, "dec": {"kind": "decoder", "local": "decoder"}}
    use = {"title": "t", "tasks": [task["name"]], "compressions": [{"method": "magnitude", "sparsity": [0.5]}]}
    knobs = {name: knob["values"] for name, knob in task.get("knobs", {}).items()}
    ways = {}
    if task["kind"] != "regress":
        ways["asked"] = {**use, "models": ["dec"], "knobs": knobs}
    if task["kind"] in ("choice",):
        ways["alike"] = {**use, "models": ["enc"], "knobs": knobs}
    if task["kind"] in ("classify", "pair", "regress") and ("train_split" in task or "hash_split" in task):
        ways["trained"] = {**use, "models": ["enc"], "transfer": ["sparse", "dense"]}
    return {"study": "fuzzed", "models": models, "tasks": {task["name"]: {"file": file}}, "experiments": ways}


GRAFTS = _grafts([*studies().values(), *tasks().values()], {})


@st.composite
def changed_tree(draw: st.DrawFn, bases: dict[str, dict]) -> tuple[str, dict]:
    """(name, tree) with one to four random places deleted, renamed, doubled, replaced, wrapped or filled."""
    name = draw(st.sampled_from(sorted(bases)))
    data = copy.deepcopy(bases[name])
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 4]))):
        _change(draw, data)
    return name, data


def _change(draw: st.DrawFn, data: dict) -> None:
    place = _place(draw, data)
    value = copy.deepcopy(draw(st.sampled_from(SCALARS)))
    keys = list(place) if isinstance(place, dict) else [*range(len(place))]
    action = draw(st.sampled_from(ACTIONS))
    if action == "insert" or not keys:
        place.update({draw(st.sampled_from(KEYS)): value}) if isinstance(place, dict) else place.append(value)
        return
    key, other = draw(st.sampled_from(keys)), draw(st.sampled_from(keys))
    if action == "graft":
        place[key] = copy.deepcopy(draw(st.sampled_from(GRAFTS.get(key, [place[key]]))))
    elif action == "nudge":
        place[key] = _nudged(draw, place[key], data)
    elif action == "delete":
        del place[key]
    elif action == "rename" and isinstance(place, dict):
        place[draw(st.sampled_from(KEYS))] = place.pop(key)
    elif action == "double":
        copied = copy.deepcopy(place[key])
        place.update({draw(st.sampled_from(KEYS)): copied}) if isinstance(place, dict) else place.append(copied)
    elif action == "wrap":
        place[key] = draw(st.sampled_from([[place[key]], {"x": place[key]}, str(place[key])[:200]]))
    elif action == "swap":
        place[key], place[other] = place[other], place[key]
    else:
        place[key] = value


def _place(draw: st.DrawFn, data: dict) -> dict | list:
    place: dict | list = data
    for _ in range(draw(st.integers(0, 6))):
        inner = [
            part for part in (place.values() if isinstance(place, dict) else place) if isinstance(part, dict | list)
        ]
        if not inner:
            break
        place = draw(st.sampled_from(inner))
    return place


def _nudged(draw: st.DrawFn, value: object, data: dict) -> object:
    """Something like `value`: another number, another word of the same file, a list in another order."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float) and abs(value) < 1e15:
        return draw(
            st.sampled_from([value + 1, value - 1, value * 2, -value, value / 2, float(value), str(value), 0, 1])
        )
    if isinstance(value, str):
        return draw(st.sampled_from(sorted({value, *_texts(data)})))
    if not isinstance(value, dict | list):
        return None
    items = list(value.items()) if isinstance(value, dict) else list(value)
    items = draw(st.sampled_from([items[::-1], items[1:], items[:1], items + items[:1], sorted(items, key=str)]))
    return dict(items) if isinstance(value, dict) else items


def _texts(tree: object) -> set[str]:
    if isinstance(tree, dict | list):
        inner = [*tree, *tree.values()] if isinstance(tree, dict) else tree
        return set().union(*map(_texts, inner)) if inner else set()
    return {tree} if isinstance(tree, str) else set()


@st.composite
def changed_text(draw: st.DrawFn, texts: dict[str, bytes]) -> tuple[str, bytes]:
    """(name, bytes) of a file cut, overwritten, with lines moved, other indentation, or something put in."""
    name = draw(st.sampled_from(sorted(texts)))
    content = texts[name]
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        at = draw(st.integers(0, len(content)))
        lines = content.split(b"\n")
        number = content[:at].count(b"\n")
        action = draw(st.sampled_from(["cut", "drop", "flip", "put", "put", "put line", "indent", "double", "join"]))
        if action == "cut":
            content = content[:at]
        elif action == "drop":
            content = content[:at] + content[at + draw(st.integers(1, 30)) :]
        elif action == "flip" and at < len(content):
            content = content[:at] + bytes([content[at] ^ (1 << draw(st.integers(0, 7)))]) + content[at + 1 :]
        elif action == "put":
            content = content[:at] + draw(st.sampled_from(SNIPPETS)) + content[at:]
        else:
            if action == "put line":
                lines.insert(number, draw(st.sampled_from(SNIPPETS)))
            elif action == "indent":
                lines[number] = draw(st.sampled_from([b" ", b"  ", b"\t", b""])) + lines[number].strip(b" ")
            elif action == "double":
                lines.insert(number, lines[number])
            else:
                lines[number : number + 2] = [b"".join(lines[number : number + 2])]
            content = b"\n".join(lines)
    return name, content
