"""Chains of forty thousand objects are loaded and freed, or refused: never a crash."""

import io
import zipfile

import pytest

from tests.faults.child import run

ME = "tests.serialization.pickle_fuzz"
COUNT = 40_000
TENSOR = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"
    b"X\x01\0\0\x000X\x03\0\0\0cpuK\x02tQK\0K\x02\x85K\x01\x85\x89NtR"
)


def chain(before: bytes, after: bytes) -> bytes:
    return b"\x80\x04N" + (b"q\x00" + before + b"h\x00" + after) * COUNT + b"."


CHAINS = {
    "objects": chain(f"c{ME}\nPlain\n)\x81}}X\1\0\0\0a".encode("latin1"), b"sb"),
    "slots": chain(f"c{ME}\nSlots\n)\x81N}}X\1\0\0\0a".encode("latin1"), b"s\x86b"),
    "lists": chain(f"c{ME}\nTexts\n)\x81".encode("latin1"), b"a"),
    "dictionaries": chain(f"c{ME}\nPair\n)\x81K\1".encode("latin1"), b"s"),
    "tuples": chain(f"c{ME}\nNamed\nK\1".encode("latin1"), b"\x86\x81"),
    "deques": chain(b"ccollections\ndeque\n]", b"a\x85R"),
    "states": chain(f"c{ME}\nStateful\n)\x81".encode("latin1"), b"b"),
    "modules": chain(b"ctorch.nn.modules.container\nSequential\n)\x81"
                     b"}X\x08\0\0\0_modules}X\1\0\0\x000", b"ssb"),
    "tensors": chain(b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n"
                     b"_rebuild_meta_tensor_no_storage\nctorch\nTensor\n(ctorch\nfloat32\n))\x89t"
                     b"}X\1\0\0\0a", b"stR"),
    "parameters": chain(b"ctorch._utils\n_rebuild_parameter_with_state\n(" + TENSOR +
                        b"\x89N}X\1\0\0\0a", b"stR"),
    "namespaces": chain(b"ctypes\nSimpleNamespace\n)R}X\1\0\0\0a", b"sb"),
    "default dictionaries": chain(b"ccollections\ndefaultdict\n)RK\1", b"s"),
    "ordered": chain(b"ccollections\nOrderedDict\n)R}X\1\0\0\0a", b"sb"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain(kind, tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("a/data.pkl", CHAINS[kind])
        z.writestr("a/data/0", bytes(8))
    (tmp_path / "x.pt").write_bytes(file.getvalue())
    said = run(
        f"""
        import flambeau as torch, gc
        import tests.serialization.pickle_fuzz
        try: loaded = torch.load({str(tmp_path / "x.pt")!r}, weights_only=False)
        except torch.serialization.CheckpointError as e: print("refused", e)
        else: print("loaded")
        loaded = None
        gc.collect()
        """,
        seconds=120,
        memory=3 << 30,
    )
    refused = kind in ("namespaces", "default dictionaries")
    assert "more than 10000" in said if refused else said == "loaded", said
