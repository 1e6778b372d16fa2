# Writes fixture.pt with torch.save, and what it holds, dense, as expected.safetensors beside it. Then trainer.pt, a
# trainer's checkpoint with two tensors and much beside them; and two files that are refused: legacy.pt in the format
# before 1.6, and script.pt, a program.
#
#     python make_fixture.py                              writes all of them
#     python make_fixture.py --check ours.pt ours.safetensors
#
# --check loads a .pt of ours with torch.load(weights_only=True), also memory-mapped, and a .safetensors of ours with the
# safetensors package, and compares the two name by name, bit by bit. ours.pt and ours.safetensors are written by
#
#     TACHI_WEIGHTS_OUT=folder go test -run TestWhatWeWriteReadsBack ./kernels/weights
#
# Pinned: python 3.11.7, torch 2.5.1, safetensors 0.8.0, numpy 2.4.6.
import argparse
import os
import pathlib
import sys
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def fixture():
    g = torch.Generator().manual_seed(5)
    base = torch.randn(6, 10, generator=g)
    half = torch.cat([torch.randn(17, generator=g), torch.tensor([0.0, -0.0, 65504.0, 2.0**-24, -(2.0**-15), float("inf")])]).half()
    brain = torch.cat([torch.randn(3, 4, generator=g).flatten() * 1e30, torch.tensor([2.0**-130, -0.0])]).bfloat16()
    return OrderedDict(
        [
            ("dense", torch.randn(2, 3, 4, generator=g)),
            ("base", base),  # the storage that the next five share
            ("transposed", base.t()),
            ("offset", base[2]),
            ("strided", base[1::2, 3::3]),
            ("permuted", base.view(2, 3, 10).permute(2, 0, 1)),
            ("alias", base),
            ("half", half),
            ("half_strided", half[3::4]),
            ("brain", brain),
            ("brain_transposed", brain[:12].view(3, 4).t()),
            ("parameter", torch.nn.Parameter(torch.randn(5, generator=g))),
            ("scalar", torch.tensor(2.5)),
            ("scalar_in_storage", base[4, 7]),
            ("empty", torch.zeros(0, 3)),
            ("bytes", torch.arange(7, dtype=torch.uint8)),
            ("ints", torch.tensor([[-(2**31), 2**31 - 1], [0, -1]], dtype=torch.int32).t()),
        ]
    )


class Settings(dict):  # a class that no reader knows
    pass


def trainer():
    weight = torch.nn.Parameter(torch.arange(6.0).view(2, 3))
    weight.tag = "a tensor with an attribute"
    optimizer = torch.optim.AdamW([weight])
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    saved = dict(epoch=3, best=np.float64(0.5), losses=np.array([1.0, 2.0]), args=argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("x")))
    saved.update(torch_rng=torch.get_rng_state(), numpy_rng=np.random.default_rng(1).bit_generator.state, seed=2**63 + 5, names={1, 2})
    saved.update(device=torch.device("cpu"), dtype=torch.float16, settings=Settings(a=1), counts=Counter("aab"), lists=defaultdict(list, a=[1]))
    saved.update(none=None, complex=1j, raw=b"ab", array=bytearray(b"ab"), optimizer=optimizer.state_dict())
    saved.update(sparse=torch.eye(2).to_sparse(), quantised=torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8))
    saved["model"] = {"weight": weight, "wide": torch.tensor([1.5, 2.5], dtype=torch.float64), "steps": torch.tensor(7)}
    saved["model"]["small"] = torch.zeros(3).to(torch.float8_e4m3fn)
    saved["ema"] = {"weight": weight.detach() + 1, "wide": torch.zeros(2)}
    return saved


class Half(torch.nn.Module):
    def forward(self, x):
        return x / 2


def bits(t):
    return t.detach().contiguous().flatten().view(torch.uint8) if t.dim() else t.detach().reshape(1).view(torch.uint8)


def check(pt, st):
    saved = torch.load(pt, weights_only=True)
    mapped = torch.load(pt, weights_only=True, mmap=True)
    assert list(saved) == ["model"] and type(saved["model"]) is OrderedDict, type(saved)
    want = load_file(st)
    assert sorted(saved["model"]) == sorted(want) == sorted(mapped["model"]), "names differ"
    for name, w in want.items():
        for got in (saved["model"][name], mapped["model"][name]):
            assert got.dtype == w.dtype and got.shape == w.shape and torch.equal(bits(got), bits(w)), name
            assert got.is_contiguous() and got.storage_offset() == 0, name
    with safe_open(st, "pt") as f:
        print(f"{len(want)} tensors are equal; metadata {f.metadata()}")


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.argv[1:2] == ["--check"]:
        check(*sys.argv[2:4])
    else:
        tensors = fixture()
        tensors._metadata = OrderedDict([("", {"version": 1})])  # as a module's state_dict has it
        torch.save({"model": tensors}, os.path.join(here, "fixture.pt"))
        save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, os.path.join(here, "expected.safetensors"))
        torch.save(trainer(), os.path.join(here, "trainer.pt"))
        torch.save({"model": {"weight": torch.ones(2)}}, os.path.join(here, "legacy.pt"), _use_new_zipfile_serialization=False)
        torch.jit.script(Half()).save(os.path.join(here, "script.pt"))
