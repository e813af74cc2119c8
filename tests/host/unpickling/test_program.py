"""Each way in which a pickle can have something called, made, changed or looked up."""

from __future__ import annotations

import copyreg
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckd_plugins.host.unpickling.names import Refused, Unreadable
from tests.host.unpickling.conftest import call, name, number, storage, text, whole

Read = Callable[[bytes], Any]

SYSTEM, TOUCH = name("os", "system"), text("touch ran")
NOTHING = pickle.EMPTY_TUPLE
STORAGE = storage(name("torch", "FloatStorage"), text("0"), number(0))
WAYS: dict[str, tuple[str, bytes]] = {
    "REDUCE": (r"os\.system", call(SYSTEM, TOUCH)),
    "GLOBAL": (r"os\.system", call(b"cos\nsystem\n", TOUCH)),
    "GLOBAL of Python 2": (r"builtins\.eval", call(b"c__builtin__\neval\n", TOUCH)),
    "a name alone": (r"os\.system", SYSTEM),
    "a dotted name": (r"builtins\.getattr\.__call__", call(name("builtins", "getattr.__call__"), TOUCH)),
    "a name within an allowed one": (r"collections\.OrderedDict\.fromkeys",
                                     call(name("collections", "OrderedDict.fromkeys"), TOUCH)),
    "INST": (r"os\.system", pickle.MARK + TOUCH + b"ios\nsystem\n"),
    "INST without arguments": (r"os\.getcwd", pickle.MARK + b"ios\ngetcwd\n"),
    "OBJ": (r"os\.system", pickle.MARK + SYSTEM + TOUCH + pickle.OBJ),
    "NEWOBJ": (r"subprocess\.Popen", name("subprocess", "Popen") + TOUCH + pickle.TUPLE1 + pickle.NEWOBJ),
    "NEWOBJ_EX": (r"subprocess\.Popen", name("subprocess", "Popen") + NOTHING + pickle.EMPTY_DICT + text("args") + TOUCH
                  + pickle.SETITEM + pickle.NEWOBJ_EX),
    "BUILD of a class": (r"a change of collections\.OrderedDict",
                         name("collections", "OrderedDict") + pickle.EMPTY_DICT + pickle.BUILD),
    "BUILD of an object": (r"pathlib\.Path", name("pathlib", "Path") + NOTHING + pickle.NEWOBJ + pickle.EMPTY_DICT
                           + pickle.BUILD),
    "getattr": (r"builtins\.getattr", call(name("builtins", "getattr"), name("os", "system"), text("__globals__"))),
    "getattr with a default": (r"builtins\.getattr", call(name("builtins", "getattr"),
                               name("recbole.utils.enum_type", "ModelType"), text("mro"), SYSTEM)),
    "an operator": (r"operator\.attrgetter", call(name("operator", "attrgetter"), text("system"))),
    "an import": (r"importlib\.import_module", call(name("importlib", "import_module"), text("antigravity"))),
    "partial": (r"functools\.partial", call(name("functools", "partial"), SYSTEM, TOUCH)),
    "partial, set later": (r"functools\.partial", name("functools", "partial") + NOTHING + pickle.NEWOBJ),
    "map": (r"builtins\.map", call(name("builtins", "map"), SYSTEM, pickle.MARK + TOUCH + pickle.LIST)),
    "encode": (r"_codecs\.encode", call(name("_codecs", "encode"), TOUCH, text("zlib_codec"))),
    "decode": (r"_codecs\.decode", call(name("_codecs", "decode"), TOUCH, text("rot13"))),
    "a pickle in a pickle": (r"_pickle\.loads", call(name("_pickle", "loads"), pickle.SHORT_BINBYTES + b"\x01.")),
    "a file of torch's in a pickle": (r"torch\.storage\._load_from_bytes",
                                      call(name("torch.storage", "_load_from_bytes"), TOUCH)),
    "torch.load": (r"torch\.load", call(name("torch", "load"), TOUCH)),
    "numpy.load": (r"numpy\.load", call(name("numpy", "load"), TOUCH)),
    "a class of arrays": (r"os\.system", call(name("numpy.core.multiarray", "_reconstruct"), SYSTEM, NOTHING, TOUCH)),
    "an array's type": (r"array of the type 'O8'", call(name("numpy.core.multiarray", "scalar"),
                        call(name("numpy", "dtype"), text("O8")), pickle.SHORT_BINBYTES + b"\x01a")),
    "fields of a type": (r"dtype with fields", call(name("numpy", "dtype"), text("V8")) + pickle.MARK + number(3)
                         + text("|") + pickle.NONE + NOTHING + pickle.EMPTY_DICT + pickle.TUPLE + pickle.BUILD),
    "a type by a name": (r"os\.system", call(name("torch._utils", "_rebuild_tensor_v3"),
                         STORAGE, number(0), NOTHING, NOTHING,
                         pickle.NEWFALSE, pickle.NONE, SYSTEM)),
    "a tensor subclass": (r"torch\._tensor\._rebuild_from_type_v2", call(name("torch._tensor", "_rebuild_from_type_v2"),
                          SYSTEM, SYSTEM, NOTHING, pickle.EMPTY_DICT)),
    "a parameter's state": (r"torch\._utils\._rebuild_parameter_with_state",
                            call(name("torch._utils", "_rebuild_parameter_with_state"), SYSTEM)),
    "a persistent id": (r"stored as 'module'", pickle.MARK + text("module") + TOUCH + pickle.TUPLE + pickle.BINPERSID),
    "a persistent id as text": (r"stored as 'touch ran'", b"Ptouch ran\n"),
    "a storage's class": (r"os\.system", storage(SYSTEM, text("0"), number(1))),
    "a module's source": (r"os\.system", pickle.MARK + text("module") + SYSTEM + TOUCH + TOUCH + pickle.TUPLE
                          + pickle.BINPERSID),
    "a factory": (r"os\.system", call(name("collections", "defaultdict"), SYSTEM)),
    "a config that is called": (r"a call of recbole\.config\.configurator\.Config",
                                call(name("recbole.config.configurator", "Config"), TOUCH)),
    "another class of RecBole's": (r"recbole\.model\.layers\.FeatureSeqEmbLayer",
                                   name("recbole.model.layers", "FeatureSeqEmbLayer") + NOTHING + pickle.NEWOBJ),
    "a name as a key": (r"os\.system", pickle.EMPTY_DICT + SYSTEM + TOUCH + pickle.SETITEM),
    "a name in a set": (r"os\.system", pickle.EMPTY_SET + pickle.MARK + SYSTEM + pickle.ADDITEMS),
}  # fmt: skip
"""By the instruction or the function: what the refusal must name, and the program."""


@pytest.mark.parametrize("way", WAYS)
def test_it_is_refused_by_name_and_nothing_runs(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """One instruction that is forgotten is a way in."""
    monkeypatch.chdir(tmp_path)
    named, program = WAYS[way]
    before = set(sys.modules)
    with pytest.raises(Refused, match=named):
        read(whole(program))
    assert not (tmp_path / "ran").exists()
    assert set(sys.modules) == before, "a name was looked up"


@pytest.mark.parametrize("code", [pickle.EXT1 + b"\x01", pickle.EXT2 + b"\x01\0", pickle.EXT4 + b"\x01\0\0\0"])
def test_registered_extensions_are_refused(read: Read, monkeypatch: pytest.MonkeyPatch, code: bytes) -> None:
    """A code stands for a name that somebody registered, and is looked up without find_class once it is known."""
    monkeypatch.setitem(copyreg._extension_cache, 1, dict)
    monkeypatch.setitem(copyreg._inverted_registry, 1, ("os", "getcwd"))
    with pytest.raises(Refused, match="extension code"):
        read(whole(code))


CHANGES: dict[str, bytes] = {
    "a dict": pickle.EMPTY_DICT,
    "a list": pickle.EMPTY_LIST,
    "a string": TOUCH,
    "a tensor": call(name("torch._utils", "_rebuild_tensor"), STORAGE,
                     number(0), NOTHING, NOTHING),
    "a storage": STORAGE,
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_attributes_are_not_set(read: Read, what: str) -> None:
    """Attributes from a file could stand where a method is looked for."""
    state = pickle.EMPTY_DICT + text("__class__") + TOUCH + pickle.SETITEM
    with pytest.raises(Unreadable):
        read(whole(CHANGES[what] + state + pickle.BUILD))


def test_attributes_of_a_mapping_are_dropped(read: Read) -> None:
    """A state dict carries its versions there, so they cannot be refused; nothing of them may stay."""
    state = pickle.EMPTY_DICT + text("get") + TOUCH + pickle.SETITEM
    found = read(whole(call(name("collections", "OrderedDict")) + state + pickle.BUILD))["x"]
    assert type(found) is dict
    assert found == {}


def test_members_of_enumerations_are_read_as_either_python_writes_them(read: Read) -> None:
    """Python 3.11.0 to 3.11.3 write getattr(ModelType, "SEQUENTIAL"), all others ModelType(2)."""
    kind = name("recbole.utils.enum_type", "ModelType")
    assert read(whole(call(kind, number(2)))) == {"x": 2}
    assert read(whole(call(name("builtins", "getattr"), kind, text("SEQUENTIAL")))) == {"x": "SEQUENTIAL"}


GREEDY = {
    "memo": pickle.NONE + pickle.LONG_BINPUT + struct.pack("<I", 2**32 - 1),
    "bytearray": pickle.BYTEARRAY8 + struct.pack("<Q", 1 << 45),
    "bytes": pickle.BINBYTES8 + struct.pack("<Q", 1 << 45),
    "string": pickle.BINUNICODE8 + struct.pack("<Q", 1 << 45),
    "frame": pickle.FRAME + struct.pack("<Q", 1 << 45) + pickle.NONE,
}


@pytest.mark.parametrize("what", GREEDY)
def test_room_is_made_for_what_is_there(read: Read, what: str) -> None:
    """Twenty bytes that ask for terabytes."""
    if what in ("memo", "frame"):  # an index, for which C's unpickler makes a table; a length that nothing depends on
        assert read(whole(GREEDY[what])) == {"x": None}
        return
    with pytest.raises(Unreadable):
        read(whole(GREEDY[what]))


def doubled(times: int) -> bytes:
    """Push a tuple of two of a tuple of two ..., each twice the same object."""
    return NOTHING + (pickle.DUP + pickle.TUPLE2) * times


LAUGHS = {
    "as sizes": call(name("torch._utils", "_rebuild_tensor"), STORAGE,
                     number(0), doubled(60) + pickle.TUPLE1, NOTHING),
    "as a persistent id": doubled(60) + pickle.BINPERSID,
    "as a key": pickle.EMPTY_DICT + doubled(60) + pickle.NONE + pickle.SETITEM,
    "in a set": pickle.EMPTY_SET + pickle.MARK + doubled(60) + pickle.ADDITEMS,
    "in a frozenset": pickle.MARK + doubled(60) + pickle.FROZENSET,
    "as a device": call(name("torch", "device"), doubled(60)),
    "as an encoding": call(name("_codecs", "encode"), TOUCH, doubled(60)),
}  # fmt: skip


@pytest.mark.parametrize("where", LAUGHS)
def test_what_doubles_sixty_times_is_refused_at_once(read: Read, where: str) -> None:
    """Its hash, or its text in an error, would take longer than anybody lives."""
    with pytest.raises((Refused, Unreadable)):
        read(whole(LAUGHS[where]))


def test_what_doubles_sixty_times_is_read_once(read: Read) -> None:
    """As a value it is harmless as long as each object is made once."""
    found = read(whole(doubled(60)))["x"]
    depth = 0
    while found:
        assert found[0] is found[1]
        found, depth = found[0], depth + 1
    assert depth == 60
